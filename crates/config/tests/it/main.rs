//! Whole configurations through the one door.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod alertmanager;
mod escalation;
mod examples;
mod hostile;
mod layout;
mod remedies;
mod rule_test;
mod settings;
mod triage;

use std::path::{Path, PathBuf};

use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, Loaded, load};
use tempfile::TempDir;

/// A folder of files that is gone with the test.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            folder.write(name, text.as_bytes());
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Loads the folder, or a file in it, and returns the problems with paths relative to it.
    fn load(&self, name: &str, env: &Env) -> (Loaded, String) {
        let path = if name.is_empty() { self.0.path().to_owned() } else { self.path(name) };
        let loaded = load(ConfigSource::Path(path), env);
        let said = problems(&loaded, self.0.path());
        (loaded, said)
    }
}

/// The problems, one in a line, without the folder in which they are.
fn problems(loaded: &Loaded, folder: &Path) -> String {
    let prefix = format!("{}/", folder.display());
    let lines: Vec<String> =
        loaded.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect();
    lines.join("\n")
}

/// Loads one file `n.json5` with no environment.
fn load_text(text: &str) -> (Loaded, String) {
    Folder::new(&[("n.json5", text)]).load("n.json5", &Env::default())
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}
