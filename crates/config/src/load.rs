//! Loading: a path in, settings or problems out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_model::id::{PlaybookName, StepIndex};

use crate::decode::playbook::Written;
use crate::decode::{self, Context};
use crate::env::{self, Env, Variables};
use crate::fields;
use crate::import::Counts;
use crate::include::{Loader, Root};
use crate::layers::{self, FOLDER_FILES_MAX, Layer, Layout, MAIN_FILES, Mount};
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
    /// JSON files of the first source document.  A YAML file is an Alertmanager's configuration.
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
    /// What the Alertmanager's configuration holds that gives the routing; none where none does.
    pub imported: Option<Counts>,
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

/// Loads a configuration.  It does not fail: whatever is wrong is a problem.  What can only be
/// judged by the calendar is judged from the first day of each schedule on; [`load_at`] knows the
/// day.
#[must_use]
pub fn load(source: ConfigSource, env: &Env) -> Loaded {
    load_when(source, &[], env, None)
}

/// Loads a configuration and judges it as of `now`: a mute window that is over, an on-call
/// calendar that has a gap in the next four weeks.
#[must_use]
pub fn load_at(source: ConfigSource, env: &Env, now: Timestamp) -> Loaded {
    load_when(source, &[], env, Some(now))
}

/// A file that is laid over a configuration to see what would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What the file holds, where it does not name the section itself.
    pub section: TrialSection,
    /// The file.
    pub path: PathBuf,
}

/// What can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialSection {
    /// Other limits.
    Thresholds,
    /// Other playbooks.
    Playbooks,
}

/// Loads a configuration with files laid over it, the later ones winning.
#[must_use]
pub fn load_trial(source: ConfigSource, trials: &[Trial], env: &Env, now: Timestamp) -> Loaded {
    load_when(source, trials, env, Some(now))
}

fn load_when(source: ConfigSource, trials: &[Trial], env: &Env, now: Option<Timestamp>) -> Loaded {
    let data_dir = env.get(DATA_DIR_VARIABLE).filter(|dir| !dir.is_empty());
    let data_dir = data_dir.map(Path::new);
    let over = trials.iter().map(|trial| Layer {
        path: trial.path.clone(),
        mount: Mount::Key(match trial.section {
            TrialSection::Thresholds => "thresholds",
            TrialSection::Playbooks => "playbooks",
        }),
    });
    match source {
        ConfigSource::None if !trials.is_empty() => {
            let (main, root) = (None, PathBuf::new());
            let layout = Layout { root, main, layers: over.collect(), crowded: Vec::new() };
            load_files(Path::new(""), &layout, data_dir, env, now)
        }
        ConfigSource::None => {
            let mut files = Files::default();
            let file = files.add(PathBuf::new(), String::new());
            let node = Node { span: Span::top(file), value: Value::Object(Object::default()) };
            let cx = Context::new(&files, Path::new(""), BTreeSet::new(), Report::default());
            finish(&node, data_dir, cx, Vec::new())
        }
        ConfigSource::Path(path) => {
            let mut layout = layers::discover(&path);
            layout.layers.extend(over);
            load_files(&path, &layout, data_dir, env, now)
        }
    }
}

fn load_files(
    path: &Path,
    layout: &Layout,
    data_dir: Option<&Path>,
    env: &Env,
    now: Option<Timestamp>,
) -> Loaded {
    let mut files = Files::default();
    let mut report = Report::default();
    let Some(canonical) = folder_of(&layout.root) else {
        return absent(path, files, report);
    };
    if layout.main.is_none() && layout.layers.is_empty() && layout.crowded.is_empty() {
        return absent(path, files, report);
    }
    let mut read = Vec::new();
    let variables = variables(&layout.root, env, &mut files, &mut report, &mut read);
    let root = Root { shown: layout.root.clone(), canonical: canonical.clone() };
    let mut loader = Loader::new(root, variables, files, report);
    let whole_yaml = layout.main.as_deref().filter(|main| is_yaml(main));
    let (node, foreign, imported) = match whole_yaml {
        Some(main) => (None, BTreeSet::new(), loader.yaml(main, None)),
        None => {
            let (node, foreign) = load_layout(layout, &mut loader);
            let imported = node.as_ref().and_then(|node| named_yaml(node, &canonical, &mut loader));
            (node, foreign, imported)
        }
    };
    let Loader { mut files, report, read: loaded, .. } = loader;
    read.extend(loaded);
    let node = node.unwrap_or_else(|| {
        let file = files.add(path.to_owned(), String::new());
        Node { span: Span::top(file), value: Value::Object(Object::default()) }
    });
    let mut cx = Context::new(&files, &canonical, foreign, report);
    cx.now = now;
    cx.imported = imported.as_ref();
    finish(&node, data_dir, cx, read)
}

/// The folder in which a configuration lies, without links; none if there is no such folder.
fn folder_of(root: &Path) -> Option<PathBuf> {
    let folder = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    std::fs::canonicalize(folder).ok()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// Reads the Alertmanager's configuration that the root names.
fn named_yaml(node: &Node, folder: &Path, loader: &mut Loader<'_>) -> Option<Node> {
    let at = At::root(node).get("alertmanager")?;
    let named = fields::text(&at, &mut loader.report)?;
    let place = Place::from(&at);
    loader.yaml(&folder.join(named), Some(&place))
}

/// Reads one YAML file alone and gives it to `read`, whose errors count.
pub(crate) fn with_yaml<T>(
    path: &Path,
    env: &Env,
    read: impl FnOnce(&Node, &mut Context<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    with_file(path, env, |loader| loader.yaml(path, None), read)
}

/// Reads one JSON5 file alone, with what it includes, and gives it to `read`, whose errors count.
pub(crate) fn with_json5<T>(
    path: &Path,
    env: &Env,
    read: impl FnOnce(&Node, &mut Context<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    with_file(path, env, |loader| loader.main(path), read)
}

fn with_file<T>(
    path: &Path,
    env: &Env,
    parse: impl FnOnce(&mut Loader<'_>) -> Option<Node>,
    read: impl FnOnce(&Node, &mut Context<'_>) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut files, mut report) = (Files::default(), Report::default());
    let Some(canonical) = folder_of(folder) else {
        return Err(absent(path, files, report).problems);
    };
    let variables = variables(folder, env, &mut files, &mut report, &mut Vec::new());
    let root = Root { shown: folder.to_owned(), canonical: canonical.clone() };
    let mut loader = Loader::new(root, variables, files, report);
    let node = parse(&mut loader);
    let Loader { files, report, .. } = loader;
    let mut cx = Context::new(&files, &canonical, BTreeSet::new(), report);
    let found = node.as_ref().and_then(|node| read(node, &mut cx));
    match found.filter(|_| !cx.report.has_errors()) {
        Some(found) => Ok(found),
        None => Err(cx.report.into_problems(&files)),
    }
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
        imported: None,
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
fn finish(
    node: &Node,
    data_dir: Option<&Path>,
    mut cx: Context<'_>,
    mut read: Vec<PathBuf>,
) -> Loaded {
    let at = At::root(node);
    let draft = decode::decode(&at, data_dir, &mut cx);
    lint::check(&at, &draft, &mut cx);
    let Context { mut report, later, files, cannot, beside, .. } = cx;
    later.tell(&mut report);
    report.absorb(cannot);
    read.extend(beside);
    let usable = !report.has_errors();
    let steps =
        draft.playbooks.iter().flatten().flat_map(|written| steps_of(written, files)).collect();
    Loaded {
        settings: usable.then_some(draft.settings),
        problems: report.into_problems(files),
        steps,
        files: read,
        imported: draft.counts,
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
