//! Loading: a path in, settings or problems out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nightcrew_model::id::{PlaybookName, StepIndex};

use crate::decode::playbook::Written;
use crate::decode::{self, Context};
use crate::env::{self, Env, Variables};
use crate::include::{Loader, Root};
use crate::layers::{self, FOLDER_FILES_MAX, Layout, MAIN_FILES};
use crate::lint;
use crate::problem::{Place, Problem, Report};
use crate::read::{self, ReadError};
use crate::settings::Settings;
use crate::text::{FileId, Files, Position, Span};
use crate::tree::{At, Node, Object, Value};

/// The variable that names the data folder; it wins over `data_dir`.
pub const DATA_DIR_VARIABLE: &str = "NIGHTCREW_DATA";

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// From nowhere: the crew watches this host with its defaults.
    None,
    /// From a file, or from a folder that holds `nightcrew.json5`, `openclaw.json` or the three
    /// JSON files of the first source document.
    Path(PathBuf),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings; none if a problem is an error.
    pub settings: Option<Settings>,
    /// Every problem, in the order of files and places.
    pub problems: Vec<Problem>,
    /// Where the steps of playbooks are written, for whoever has something to say about one.  Steps
    /// of built-in playbooks are written nowhere.
    pub steps: BTreeMap<(PlaybookName, StepIndex), StepPlace>,
    /// Every file that was read, `.env` included: those whose change is a reason to load again.
    pub files: Vec<PathBuf>,
}

/// Where a step of a playbook is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepPlace {
    /// The file, as it was reached.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key, such as `playbooks.disk_space_low.actions[0]`.
    pub key: String,
}

/// Loads a configuration.  It does not fail: whatever is wrong is a problem.
#[must_use]
pub fn load(source: ConfigSource, env: &Env) -> Loaded {
    let data_dir = env.get(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty());
    let data_dir = data_dir.map(Path::new);
    match source {
        ConfigSource::None => {
            let mut files = Files::default();
            let file = files.add(PathBuf::new(), String::new());
            let node = Node { span: Span::top(file), value: Value::Object(Object::default()) };
            let cx = Context::new(&files, Path::new(""), BTreeSet::new(), Report::default());
            finish(&node, data_dir, cx, Vec::new())
        }
        ConfigSource::Path(path) => load_path(&path, data_dir, env),
    }
}

fn load_path(path: &Path, data_dir: Option<&Path>, env: &Env) -> Loaded {
    let layout = layers::discover(path);
    let mut files = Files::default();
    let mut report = Report::default();
    let folder = if layout.root.as_os_str().is_empty() { Path::new(".") } else { &layout.root };
    let canonical = match std::fs::canonicalize(folder) {
        Ok(canonical) => canonical,
        Err(_) => return absent(path, files, report),
    };
    if layout.main.is_none() && layout.layers.is_empty() && layout.crowded.is_empty() {
        return absent(path, files, report);
    }
    let mut read = Vec::new();
    let variables = variables(&layout.root, env, &mut files, &mut report, &mut read);
    let root = Root { shown: layout.root.clone(), canonical: canonical.clone() };
    let mut loader = Loader::new(root, variables, files, report);
    let (node, foreign) = load_layout(&layout, &mut loader);
    let Loader { mut files, report, read: loaded, .. } = loader;
    read.extend(loaded);
    let node = node.unwrap_or_else(|| {
        let file = files.add(path.to_owned(), String::new());
        Node { span: Span::top(file), value: Value::Object(Object::default()) }
    });
    let cx = Context::new(&files, &canonical, foreign, report);
    finish(&node, data_dir, cx, read)
}

/// Nothing of the kind stands there.
fn absent(path: &Path, mut files: Files, mut report: Report) -> Loaded {
    let file = files.add(path.to_owned(), String::new());
    let place = Place::new(Span::top(file), "");
    if path.is_dir() {
        report.error(place, "the folder holds no configuration").hint(format!(
            "expected {}, or alert-thresholds.json, autoheal-playbooks.json or \
             monitoring-sources.json in it or in its folder config",
            MAIN_FILES.join(", ")
        ));
    } else {
        report
            .error(place, "there is no such file or folder")
            .hint("check the path; without --config the crew watches this host");
    }
    Loaded {
        settings: None,
        problems: report.into_problems(&files),
        steps: BTreeMap::new(),
        files: Vec::new(),
    }
}

/// The variables of the process and of the `.env` beside the main file.
fn variables<'e>(
    root: &Path,
    env: &'e Env,
    files: &mut Files,
    report: &mut Report,
    loaded: &mut Vec<PathBuf>,
) -> Variables<'e> {
    let path = root.join(".env");
    let own = match read::read(&path) {
        Ok(text) => {
            let file = files.add(path.clone(), text.clone());
            others_can_read(&path, file, report);
            loaded.push(path);
            env::parse(&text, file, report)
        }
        Err(ReadError::Absent) => Env::default(),
        Err(error) => {
            let good = match &error {
                ReadError::NotUtf8 { good } => good.clone(),
                _ => String::new(),
            };
            let at = good.len();
            let file = files.add(path, good);
            let place = Place::new(Span::new(file, at, at), "");
            let found = report.error(place, error.to_string());
            if let Some(hint) = error.hint() {
                found.hint(hint);
            }
            Env::default()
        }
    };
    // Only its names count, for hints; what is wrong with it harms nobody.
    let example = match read::read(&root.join(".env.example")) {
        Ok(text) => {
            let mut unused = Files::default();
            let file = unused.add(PathBuf::new(), String::new());
            env::parse(&text, file, &mut Report::default())
        }
        Err(_) => Env::default(),
    };
    Variables::new(env, own, &example)
}

/// Secrets are for one user.
fn others_can_read(path: &Path, file: FileId, report: &mut Report) {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS: u32 = 0o077;
    let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & OTHERS != 0) {
        report
            .warning(
                Place::new(Span::top(file), ""),
                "other users of this machine can read the secrets in this file",
            )
            .hint("chmod 600 .env");
    }
}

/// Reads the main file and the layers, and lays them over each other.
fn load_layout(layout: &Layout, loader: &mut Loader<'_>) -> (Option<Node>, BTreeSet<FileId>) {
    let mut foreign = BTreeSet::new();
    let mut whole: Option<Node> = None;
    for folder in &layout.crowded {
        let file = loader.files.add(folder.clone(), String::new());
        loader
            .report
            .error(
                Place::new(Span::top(file), ""),
                format!("the folder holds more than {FOLDER_FILES_MAX} files"),
            )
            .hint("keep only configuration in it");
    }
    if let Some(main) = &layout.main {
        let before = loader.files.next();
        whole = loader.main(main);
        let name = main.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with("openclaw")) {
            foreign.extend(loader.files.since(before));
        }
    }
    for layer in &layout.layers {
        let is_reached = std::fs::canonicalize(&layer.path)
            .is_ok_and(|canonical| loader.reached.contains(&canonical));
        if is_reached {
            continue;
        }
        let before = loader.files.next();
        let read = loader.layer(&layer.path, layer.mount, decode::is_root_key);
        foreign.extend(loader.files.since(before));
        let Some((node, mount)) = read else { continue };
        if node.object().is_none() {
            let place = Place::new(node.span, mount.key(&layer.path));
            loader.report.error(place, "expected the file to hold an object");
            continue;
        }
        let placed = mount.place(node, &layer.path);
        whole = Some(layers::lay_over(whole, placed, mount));
    }
    (whole, foreign)
}

/// Decodes, lints and closes.
fn finish(node: &Node, data_dir: Option<&Path>, mut cx: Context<'_>, read: Vec<PathBuf>) -> Loaded {
    let at = At::root(node);
    let draft = decode::decode(&at, data_dir, &mut cx);
    lint::check(&at, &draft, &mut cx);
    let Context { mut report, later, files, .. } = cx;
    later.tell(&mut report);
    let usable = !report.has_errors();
    let steps =
        draft.playbooks.iter().flatten().flat_map(|written| steps_of(written, files)).collect();
    Loaded {
        settings: usable.then_some(draft.settings),
        problems: report.into_problems(files),
        steps,
        files: read,
    }
}

fn steps_of<'w>(
    written: &'w Written,
    files: &'w Files,
) -> impl Iterator<Item = ((PlaybookName, StepIndex), StepPlace)> + 'w {
    written.steps.iter().zip(0..).map(|(place, n)| {
        let Position { line, column } = files.position(place.span);
        let file = files.shown(place.span.file);
        let key = place.key.clone();
        ((written.playbook.name.clone(), StepIndex(n)), StepPlace { file, line, column, key })
    })
}
