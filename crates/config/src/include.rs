//! `$include`: a file inside a file.
//!
//! The value is a path, relative to the file that names it, or a list of paths of which the later
//! ones win.  Objects merge deeply, and the keys beside `$include` win over what is included.
//!
//! **Invariant:** nothing outside the root folder is read, also not through a symbolic link, and
//! reading ends: depth, number of files and bytes have limits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::env::Variables;
use crate::json5::{self, DEPTH_MAX};
use crate::layers::Mount;
use crate::problem::{Place, Report};
use crate::read::{self, ReadError};
use crate::substitute::substitute;
use crate::text::{FileId, Files, Span};
use crate::tree::{At, Entry, Node, Object, Value, push_index, push_key};
use crate::yaml;

/// How many files may include each other in a chain, the first one counted.
pub(crate) const INCLUDE_DEPTH_MAX: usize = 16;

/// How many times a file is read in one load.
pub(crate) const FILES_MAX: usize = 512;

/// How many bytes are read in one load.
pub(crate) const LOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A reader of one form of text.
type Parse = fn(&str, FileId, &Files, &mut Report) -> Option<Node>;

/// The key that includes.
const INCLUDE: &str = "$include";

/// Reads files into trees.
#[derive(Debug)]
pub(crate) struct Loader<'a> {
    pub(crate) files: Files,
    pub(crate) report: Report,
    /// The canonical paths of what was read.
    pub(crate) reached: BTreeSet<PathBuf>,
    /// The paths of what was read, as shown, in order.
    pub(crate) read: Vec<PathBuf>,
    variables: Variables<'a>,
    root: Root,
    bytes: usize,
}

/// The folder that nothing may leave.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// As the operator wrote it.
    pub(crate) shown: PathBuf,
    /// Without links.
    pub(crate) canonical: PathBuf,
}

impl<'a> Loader<'a> {
    pub(crate) fn new(root: Root, variables: Variables<'a>, files: Files, report: Report) -> Self {
        Self {
            files,
            report,
            reached: BTreeSet::new(),
            read: Vec::new(),
            variables,
            root,
            bytes: 0,
        }
    }

    /// Reads the main file with everything that it includes.  It is the operator's choice, so it
    /// may be a link to anywhere.  None after an error, which is noted.
    pub(crate) fn main(&mut self, path: &Path) -> Option<Node> {
        let canonical = self.canonical(path)?;
        let (file, node) = self.parsed(&canonical, "", None, json5::parse)?;
        self.resolved(&canonical, (file, node), String::new(), 0, &mut Vec::new())
    }

    /// Reads a YAML file of another system.  Like the main file it is the operator's choice, so it
    /// may lie anywhere; nothing is included in it.  `from` is where it is named.
    pub(crate) fn yaml(&mut self, path: &Path, from: Option<&Place>) -> Option<Node> {
        let from_span = from.map(|place| place.span);
        let key = from.map_or("", |place| place.key.as_str());
        let canonical = match std::fs::canonicalize(path) {
            Ok(canonical) => canonical,
            Err(_) if from.is_none() => self.canonical(path)?,
            Err(_) => path.to_owned(),
        };
        let (_, mut node) = self.parsed(&canonical, key, from_span, yaml::parse)?;
        substitute(&mut node, String::new(), &self.variables, &self.files, &mut self.report);
        Some(node)
    }

    /// Reads a layer with everything that it includes, and says where its content stands.
    pub(crate) fn layer(
        &mut self,
        path: &Path,
        mount: Mount,
        is_section: fn(&str) -> bool,
    ) -> Option<(Node, Mount)> {
        let canonical = self.canonical(path)?;
        if !canonical.starts_with(&self.root.canonical) {
            let file = self.files.add(path.to_owned(), String::new());
            let root = self.root.shown.display();
            self.report
                .error(
                    Place::new(Span::top(file), ""),
                    format!("the file lies outside the root folder {root}"),
                )
                .hint("move it below the root folder; links count as their target");
            return None;
        }
        let (file, node) = self.parsed(&canonical, "", None, json5::parse)?;
        let mount = mount.settle(&node, is_section);
        let key = mount.key(path);
        let node = self.resolved(&canonical, (file, node), key, 0, &mut Vec::new())?;
        Some((node, mount))
    }

    fn canonical(&mut self, path: &Path) -> Option<PathBuf> {
        let error = match std::fs::canonicalize(path) {
            Ok(canonical) => return Some(canonical),
            Err(error) => match error.kind() {
                std::io::ErrorKind::NotFound => ReadError::Absent,
                kind => ReadError::Io(kind),
            },
        };
        let file = self.files.add(path.to_owned(), String::new());
        self.unreadable(&error, Place::new(Span::top(file), ""), None);
        None
    }

    /// The path of a file below the root as the operator would write it.
    fn shown(&self, canonical: &Path) -> PathBuf {
        match canonical.strip_prefix(&self.root.canonical) {
            Ok(relative) => self.root.shown.join(relative),
            Err(_) => canonical.to_owned(),
        }
    }

    /// Reads and parses one file; `key` and `from` are where it is included.
    fn parsed(
        &mut self,
        canonical: &Path,
        key: &str,
        from: Option<Span>,
        parse: Parse,
    ) -> Option<(FileId, Node)> {
        let shown = self.shown(canonical);
        let text = match read::read(canonical) {
            Ok(text) => text,
            Err(error) => {
                let place = match (&error, from) {
                    (ReadError::NotUtf8 { good }, _) => {
                        let file = self.files.add(shown, good.clone());
                        Place::new(Span::new(file, good.len(), good.len()), key)
                    }
                    (_, Some(span)) => Place::new(span, key),
                    (_, None) => Place::new(Span::top(self.files.add(shown, String::new())), key),
                };
                self.unreadable(&error, place, from);
                return None;
            }
        };
        self.bytes += text.len();
        if self.read.len() >= FILES_MAX || self.bytes > LOAD_BYTES_MAX {
            let file = self.files.add(shown, String::new());
            let span = from.unwrap_or_else(|| Span::top(file));
            self.report
                .error(
                    Place::new(span, key),
                    format!(
                        "too much is included: at most {FILES_MAX} files and {LOAD_BYTES_MAX} bytes \
                         are read"
                    ),
                )
                .hint("include each file once");
            return None;
        }
        let file = self.files.add(shown.clone(), text.clone());
        self.reached.insert(canonical.to_owned());
        self.read.push(shown);
        let node = parse(&text, file, &self.files, &mut self.report)?;
        Some((file, node))
    }

    /// Fills in the variables of a file whose content will stand at `key`, and what it includes.
    fn resolved(
        &mut self,
        canonical: &Path,
        (file, mut node): (FileId, Node),
        key: String,
        nesting: usize,
        chain: &mut Vec<PathBuf>,
    ) -> Option<Node> {
        substitute(&mut node, key.clone(), &self.variables, &self.files, &mut self.report);
        chain.push(canonical.to_owned());
        let mut resolver = Resolver { loader: self, chain, file, path: key };
        let resolved = resolver.node(node, nesting);
        chain.pop();
        resolved
    }

    fn unreadable(&mut self, error: &ReadError, place: Place, from: Option<Span>) {
        let message = match (error, from) {
            (ReadError::NotUtf8 { .. }, _) | (_, None) => error.to_string(),
            (_, Some(_)) => format!("the included file cannot be used: {error}"),
        };
        let found = self.report.error(place, message);
        if let Some(hint) = error.hint() {
            found.hint(hint);
        }
    }
}

struct Resolver<'r, 'a> {
    loader: &'r mut Loader<'a>,
    /// The canonical paths of the files that are being read, the outermost first.
    chain: &'r mut Vec<PathBuf>,
    file: FileId,
    path: String,
}

impl Resolver<'_, '_> {
    /// The node with its includes; none where nothing could be included.
    fn node(&mut self, node: Node, nesting: usize) -> Option<Node> {
        let span = node.span;
        if nesting > DEPTH_MAX {
            self.loader.report.error(
                Place::new(span, self.path.clone()),
                format!("with what is included, values are nested deeper than {DEPTH_MAX} levels"),
            );
            return None;
        }
        let length = self.path.len();
        match node.value {
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (n, item) in items.into_iter().enumerate() {
                    push_index(&mut self.path, n);
                    resolved.extend(self.node(item, nesting + 1));
                    self.path.truncate(length);
                }
                let value = Value::Array(resolved);
                Some(Node { span, value })
            }
            Value::Object(object) => {
                let mut include = None;
                let mut entries = Vec::with_capacity(object.entries.len());
                for entry in object.entries {
                    if entry.key == INCLUDE {
                        include = Some(entry);
                        continue;
                    }
                    push_key(&mut self.path, entry.shown());
                    let Entry { key, label, key_span, node } = entry;
                    if let Some(node) = self.node(node, nesting + 2) {
                        entries.push(Entry { key, label, key_span, node });
                    }
                    self.path.truncate(length);
                }
                let siblings = Node { span, value: Value::Object(Object { entries }) };
                match include {
                    None => Some(siblings),
                    Some(entry) => self.included(&entry, siblings, nesting),
                }
            }
            value => Some(Node { span, value }),
        }
    }

    fn included(&mut self, entry: &Entry, siblings: Node, nesting: usize) -> Option<Node> {
        let length = self.path.len();
        let place = self.path.clone();
        push_key(&mut self.path, INCLUDE);
        let at = At { node: &entry.node, key_span: entry.key_span, path: self.path.clone() };
        let alone = siblings.object().is_some_and(|object| object.entries.is_empty());
        let paths: Vec<At<'_>> = match &entry.node.value {
            Value::Text(_) => vec![at.clone()],
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(n, item)| at.item(n, item)).collect()
            }
            _ => {
                self.loader.report.expected(&at, "a path or an array of paths");
                Vec::new()
            }
        };
        let single = paths.len() == 1;
        self.path.truncate(length);
        let mut merged: Option<Node> = None;
        for path in paths {
            let Some(included) = self.one(&path, &place, nesting) else {
                continue;
            };
            if included.object().is_none() && !(alone && single) {
                self.loader
                    .report
                    .error(
                        &path,
                        "expected the included file to hold an object, because it is merged",
                    )
                    .hint("include it under a key of its own");
                continue;
            }
            merged = Some(match merged {
                Some(base) => base.merged_with(included),
                None => included,
            });
        }
        match (merged, alone) {
            (Some(included), true) => Some(included),
            (Some(included), false) => Some(included.merged_with(siblings)),
            (None, true) => None,
            (None, false) => Some(siblings),
        }
    }

    /// Reads one included file, whose content will stand at `place`.
    fn one(&mut self, at: &At<'_>, place: &str, nesting: usize) -> Option<Node> {
        let Some(written) = at.node.text() else {
            self.loader.report.expected(at, "a path");
            return None;
        };
        // The file that wrote the path, which after an include in a chain is the last one.
        let folder = self.chain.last().and_then(|file| file.parent());
        let wanted = folder.unwrap_or(Path::new("")).join(written);
        let Ok(canonical) = std::fs::canonicalize(&wanted) else {
            let hint = self.similar_file(&wanted);
            self.loader.report.error(at, format!("there is no file {}", at.describe())).hint(hint);
            return None;
        };
        if !canonical.starts_with(&self.loader.root.canonical) {
            let root = self.loader.root.shown.display().to_string();
            self.loader
                .report
                .error(at, format!("{} leads out of the root folder {root}", at.describe()))
                .hint(
                    "move the file below the folder of the main file; links count as their target",
                );
            return None;
        }
        if self.chain.contains(&canonical) {
            let names: Vec<String> = self
                .chain
                .iter()
                .chain([&canonical])
                .map(|file| self.loader.shown(file).display().to_string())
                .collect();
            self.loader
                .report
                .error(at, format!("the files include each other: {}", names.join(" → ")))
                .hint("remove one of the includes");
            return None;
        }
        if self.chain.len() >= INCLUDE_DEPTH_MAX {
            self.loader.report.error(
                at,
                format!("more than {INCLUDE_DEPTH_MAX} files include each other in a chain"),
            );
            return None;
        }
        let parsed = self.loader.parsed(&canonical, place, Some(at.node.span), json5::parse)?;
        self.loader.resolved(&canonical, parsed, place.to_owned(), nesting, self.chain)
    }

    /// The file beside the wanted one whose name is most like it.
    fn similar_file(&self, wanted: &Path) -> String {
        /// More entries of a folder are not looked at.
        const ENTRIES_MAX: usize = 1_000;
        let name = wanted.file_name().map(|name| name.to_string_lossy());
        let names: Vec<String> = wanted
            .parent()
            .and_then(|folder| {
                // Nothing outside the root is told.
                let folder = std::fs::canonicalize(folder).ok()?;
                let inside = folder.starts_with(&self.loader.root.canonical);
                inside.then(|| std::fs::read_dir(folder).ok()).flatten()
            })
            .map(|entries| {
                entries
                    .flatten()
                    .take(ENTRIES_MAX)
                    .map(|entry| entry.file_name().to_string_lossy().into_owned())
                    .collect()
            })
            .unwrap_or_default();
        let near = name.and_then(|name| {
            crate::nearest::nearest(&name, names.iter().map(String::as_str)).map(str::to_owned)
        });
        match near {
            Some(near) => format!("did you mean `{near}` in the same folder?"),
            None => format!("paths are relative to {}", self.loader.files.shown(self.file)),
        }
    }
}
