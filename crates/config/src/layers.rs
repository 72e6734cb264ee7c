//! Which files make up a configuration, and where the content of each one stands.
//!
//! A main file (`nightcrew.json5`, `openclaw.json`, `openclaw.json5`) is the core layer.  Files in
//! `config/` and then `project/` beside it that no `$include` reached are laid over it, the later
//! ones winning.  A folder without a main file may hold the three files of the first source
//! document, directly or in `config/`.  A file of any other name stands alone.

use std::path::{Path, PathBuf};

use crate::tree::{Node, Object, Value, push_key};

/// How many files of one folder are looked at.
pub(crate) const FOLDER_FILES_MAX: usize = 200;

/// The names of main files, the first one that exists being read.
pub(crate) const MAIN_FILES: [&str; 3] = ["nightcrew.json5", "openclaw.json", "openclaw.json5"];

/// The folders of the layers above the main file, the later one winning.
const LAYER_FOLDERS: [&str; 2] = ["config", "project"];

/// The files of the first source document.
const SOURCE_FILES: [(&str, Mount); 3] = [
    ("alert-thresholds.json", Mount::Key("thresholds")),
    ("autoheal-playbooks.json", Mount::Key("playbooks")),
    ("monitoring-sources.json", Mount::Root),
];

/// Folders of layers whose files each describe one thing.
const NAMED_FOLDERS: [(&str, Mount); 5] = [
    ("config/agents", Mount::Element("agents")),
    ("config/channels", Mount::Named("channels")),
    ("config/bindings", Mount::Named("bindings")),
    ("project/integrations", Mount::Named("integrations")),
    ("project/services", Mount::Key("services")),
];

/// Where the content of a file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// It is the configuration.
    Root,
    /// Under this key.
    Key(&'static str),
    /// Under this key and the name of the file.
    Named(&'static str),
    /// As one more element of the list of this key.
    Element(&'static str),
}

impl Mount {
    /// Where this content stands: a file that itself begins with the key of its folder, or with
    /// another one of the configuration, stands at the root.
    pub(crate) fn settle(self, node: &Node, is_section: fn(&str) -> bool) -> Self {
        let is_element = matches!(self, Self::Element(_));
        let entries = node.object().map(|object| object.entries.as_slice());
        let mut keys = entries.unwrap_or_default().iter().map(|entry| entry.key.as_str());
        let stands_at_root = match self {
            Self::Root => true,
            Self::Key(own) | Self::Named(own) | Self::Element(own) => {
                keys.any(|key| key == own || (!is_element && is_section(key)))
            }
        };
        if stands_at_root { Self::Root } else { self }
    }

    /// The key at which the content stands.
    pub(crate) fn key(self, path: &Path) -> String {
        let mut key = String::new();
        match self {
            Self::Root => {}
            Self::Key(own) | Self::Element(own) => key.push_str(own),
            Self::Named(own) => {
                key.push_str(own);
                push_key(&mut key, &stem(path));
            }
        }
        key
    }

    /// The content of a file, put where it belongs.
    pub(crate) fn place(self, node: Node, path: &Path) -> Node {
        match self {
            Self::Root => node,
            Self::Key(key) => node.under(key),
            Self::Named(key) => node.under(&stem(path)).under(key),
            Self::Element(key) => {
                let span = node.span;
                let value = Value::Array(vec![node]);
                Node { span, value }.under(key)
            }
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// Lays a file over what there is.  Lists of [`Mount::Element`] grow; everything else merges.
pub(crate) fn lay_over(base: Option<Node>, over: Node, mount: Mount) -> Node {
    let Some(base) = base else { return over };
    let Mount::Element(key) = mount else {
        return base.merged_with(over);
    };
    let listed = base.object().and_then(|object| object.get(key));
    if let Some(Value::Object(_)) = listed.map(|entry| &entry.node.value) {
        // The other dialect, where agents are an object: its own definitions stand.
        return base;
    }
    let mut base = base;
    let existing = match &mut base.value {
        Value::Object(Object { entries }) => {
            entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node.value)
        }
        _ => None,
    };
    match (existing, over.value) {
        (Some(Value::Array(items)), Value::Object(over)) => {
            for entry in over.entries {
                if let Value::Array(more) = entry.node.value {
                    items.extend(more);
                }
            }
            base
        }
        (_, value) => base.merged_with(Node { span: over.span, value }),
    }
}

/// One file above the main one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) path: PathBuf,
    pub(crate) mount: Mount,
}

/// The files of a configuration.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The folder to which paths are relative, as written.
    pub(crate) root: PathBuf,
    /// The main file, if there is one.
    pub(crate) main: Option<PathBuf>,
    /// The others, the later ones winning.
    pub(crate) layers: Vec<Layer>,
    /// Folders that hold more than [`FOLDER_FILES_MAX`] files.
    pub(crate) crowded: Vec<PathBuf>,
}

/// Finds the files that a path of the operator's choice stands for.
pub(crate) fn discover(path: &Path) -> Layout {
    let is_folder = path.is_dir();
    let root =
        if is_folder { path.to_owned() } else { path.parent().unwrap_or(Path::new("")).to_owned() };
    let mut layout = Layout { root, main: None, layers: Vec::new(), crowded: Vec::new() };
    if is_folder {
        layout.main = MAIN_FILES.iter().map(|name| path.join(name)).find(|file| file.exists());
        if layout.main.is_none() {
            let direct = SOURCE_FILES
                .iter()
                .map(|(name, mount)| Layer { path: path.join(name), mount: *mount });
            layout.layers.extend(direct.filter(|layer| layer.path.exists()));
        }
        layout.add_layers();
        return layout;
    }
    let name = path.file_name().and_then(|name| name.to_str());
    if let Some(mount) = name.and_then(source_file) {
        layout.layers.push(Layer { path: path.to_owned(), mount });
    } else {
        layout.main = Some(path.to_owned());
        if name.is_some_and(|name| MAIN_FILES.contains(&name)) {
            layout.add_layers();
        }
    }
    layout
}

fn source_file(name: &str) -> Option<Mount> {
    let known = SOURCE_FILES.iter().find(|(known, _)| *known == name);
    known.map(|(_, mount)| *mount)
}

impl Layout {
    fn add_layers(&mut self) {
        for folder in LAYER_FOLDERS {
            let mut folders = Vec::new();
            self.add_folder(Path::new(folder), Mount::Root, &mut folders);
            for inner in folders {
                let shown = inner.to_string_lossy().into_owned();
                let known = NAMED_FOLDERS.iter().find(|(name, _)| *name == shown);
                let mount = known.map_or(Mount::Root, |(_, mount)| *mount);
                self.add_folder(&inner, mount, &mut Vec::new());
            }
        }
    }

    /// Adds the files of a folder (relative to the root), by name, and notes the folders in it.
    fn add_folder(&mut self, folder: &Path, mount: Mount, inner: &mut Vec<PathBuf>) {
        let full = self.root.join(folder);
        let Ok(entries) = std::fs::read_dir(&full) else {
            return;
        };
        let mut names: Vec<String> = entries
            .flatten()
            .take(FOLDER_FILES_MAX + 1)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        if names.len() > FOLDER_FILES_MAX {
            self.crowded.push(full);
            return;
        }
        names.sort();
        for name in names {
            let path = full.join(&name);
            if path.is_dir() {
                inner.push(folder.join(&name));
            } else if name.ends_with(".json5") || name.ends_with(".json") {
                let mount = source_file(&name).unwrap_or(mount);
                self.layers.push(Layer { path, mount });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
    }

    fn layers(layout: &Layout) -> Vec<(String, Mount)> {
        let relative = |layer: &Layer| {
            let path = layer.path.strip_prefix(&layout.root).unwrap();
            (path.display().to_string(), layer.mount)
        };
        layout.layers.iter().map(relative).collect()
    }

    #[test]
    fn config_comes_before_project_and_names_decide_the_place() {
        let folder = tempfile::tempdir().unwrap();
        touch(
            folder.path(),
            &[
                "nightcrew.json5",
                "openclaw.json",
                "alert-thresholds.json",
                "project/thresholds/alerting.json5",
                "project/services/데모.json5",
                "config/agents/ops-monitor.json5",
                "config/alert-thresholds.json",
                "config/.hidden.json",
                "config/notes.md",
            ],
        );
        let layout = discover(folder.path());
        assert_eq!(layout.main, Some(folder.path().join("nightcrew.json5")));
        assert_eq!(
            layers(&layout),
            [
                ("config/alert-thresholds.json".to_owned(), Mount::Key("thresholds")),
                ("config/agents/ops-monitor.json5".to_owned(), Mount::Element("agents")),
                ("project/services/데모.json5".to_owned(), Mount::Key("services")),
                ("project/thresholds/alerting.json5".to_owned(), Mount::Root),
            ]
        );
    }

    #[test]
    fn the_files_of_the_first_document_need_no_main_file() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["alert-thresholds.json", "config/autoheal-playbooks.json"]);
        let layout = discover(folder.path());
        assert_eq!(layout.main, None);
        assert_eq!(layers(&layout).len(), 2);
    }

    #[test]
    fn a_file_of_another_name_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), &["mine.json5", "config/alert-thresholds.json"]);
        let layout = discover(&folder.path().join("mine.json5"));
        assert_eq!(layout.layers, []);
    }

    #[test]
    fn a_crowded_folder_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> =
            (0..=FOLDER_FILES_MAX).map(|n| format!("config/{n}.json")).collect();
        touch(folder.path(), &["nightcrew.json5"]);
        touch(folder.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        let layout = discover(folder.path());
        assert_eq!(layout.crowded, [folder.path().join("config")]);
        assert_eq!(layout.layers, []);
    }
}
