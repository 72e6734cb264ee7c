//! A disk that is full: nothing is acknowledged that is not durable, it is told everywhere, and it
//! goes on by itself when there is space again.

use std::ffi::CStr;
use std::io::Write as _;
use std::path::PathBuf;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::json;

use crate::crew::{Crew, quiet};
use crate::stage::{Stage, until};
use crate::wire::Answer;

/// How large the disk is.
const OPTIONS: &CStr = c"size=4m,mode=0700";

/// A small file system of its own; unmounted when it is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None where this user may not mount.
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        match mount("tmpfs", &at, "tmpfs", flags, Some(OPTIONS)) {
            Ok(()) => Some(Self(at)),
            Err(error) => {
                println!("skipped: mounting is not allowed here ({error})");
                None
            }
        }
    }

    /// Writes until there is no space left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("가득")).unwrap();
        while file.write_all(&[b'.'; 4_096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("가득")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", self.0.display());
        }
    }
}

fn report(crew: &Crew<'_>, number: usize) -> Answer {
    let alert = json!([{
        "labels": { "alertname": "가득참", "number": number.to_string() },
        "annotations": { "summary": "x".repeat(1_000) },
        "endsAt": "2100-01-01T00:00:00Z",
    }]);
    crew.post("/api/v2/alerts", alert.to_string())
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers() {
    let stage = Stage::new();
    let Some(disk) = Disk::mount(stage.path("data")) else { return };
    let crew = Crew::up(&stage, &quiet());
    assert_eq!(report(&crew, 0).status, 200);
    disk.fill();
    let mut acknowledged = vec![0];
    let refused = (1..2_000).find_map(|number| {
        let answer = report(&crew, number);
        if answer.status == 200 {
            acknowledged.push(number);
        }
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.expect("the disk never got full");
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.head.to_lowercase().contains("retry-after:"), "{}", refused.head);
    assert!(refused.body.contains("is full"), "{}", refused.body);
    assert_eq!(crew.get("/healthz").unwrap().status, 200, "it serves");
    assert_eq!(crew.get("/readyz").unwrap().status, 503, "and is not ready");
    let status = crew.ask(&["status"]);
    assert_eq!(status.code, Some(1), "{}{}", status.out, status.err);
    assert!(status.out.contains("not ready"), "{}", status.out);
    assert!(status.out.contains("journal: ") && status.out.contains("is full"), "{}", status.out);

    disk.free();
    let after = 5_000;
    until("it takes alerts again", || (report(&crew, after).status == 200).then_some(()));
    acknowledged.push(after);
    crew.kill();
    let crew = Crew::listening(&stage);
    let told = crew.json("/api/v1/alerts");
    let told = told["items"].as_array().unwrap();
    for number in acknowledged {
        let number = number.to_string();
        let is_there = told.iter().any(|alert| alert["labels"]["number"] == number.as_str());
        assert!(is_there, "{number} was acknowledged and is lost");
    }
    drop(crew);
}
