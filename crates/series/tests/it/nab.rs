//! Real series read back to the last bit.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nightcrew_series::key::Key;
use nightcrew_series::sample::{Moment, Sample};

use crate::{all, append, open};

fn shared() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "only the caller knows where the data lie")]
    let named = std::env::var("NIGHTCREW_SHARED");
    named.map_or_else(|_| Path::new("../../../shared").to_owned(), PathBuf::from)
}

fn samples(text: &str) -> Vec<Sample> {
    let mut samples = Vec::new();
    for line in text.lines().skip(1) {
        let (at, value) = line.split_once(',').unwrap();
        let at: DateTime = at.parse().unwrap();
        let at = at.to_zoned(TimeZone::UTC).unwrap().timestamp();
        samples.push(Sample { at: Moment::from(at), value: value.parse().unwrap() });
    }
    samples
}

#[test]
fn real_series_read_back_to_the_last_bit() {
    let folder = shared().join("data/nab/data/realTraffic");
    let Ok(files) = fs::read_dir(folder) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    for file in files.map(|file| file.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let id = store.series(&Key::new(&name, Default::default()).unwrap()).unwrap();
        let mut written = samples(&fs::read_to_string(&file).unwrap());
        append(&store, id, &written);
        store.seal().unwrap();
        let read = all(&store, &format!("{{__name__={name:?}}}")).remove(0).rows;
        // Where the source gives a moment twice the later value stays.
        written.reverse();
        written.sort_by_key(|sample| sample.at);
        written.dedup_by_key(|sample| sample.at);
        assert_eq!(read, written, "{name}");
    }
}
