//! What a single value of a command line may look like.

use std::path::Path;

use crate::files::{Files, Kind};
use crate::grammar::Operand;
use crate::inventory::well_formed;

/// The configuration of logrotate, and the folder of its parts.
const LOGROTATE_CONFIG: &str = "/etc/logrotate.conf";
const LOGROTATE_FOLDER: &str = "/etc/logrotate.d";

/// The longest moment in words, in bytes.
const MOMENT_BYTES_MAX: usize = 40;

/// Whether only root can have written a configuration of logrotate, which names programs to run.
pub(crate) fn logrotate_config(text: &str, files: &Files) -> Result<(), String> {
    let path = Path::new(text);
    let folder = Path::new(LOGROTATE_FOLDER);
    let name = text
        .strip_prefix(LOGROTATE_FOLDER)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or_default();
    let is_part = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    if text != LOGROTATE_CONFIG && !is_part {
        return Err(format!(
            "`{text}` is neither {LOGROTATE_CONFIG} nor a file in {LOGROTATE_FOLDER}"
        ));
    }
    let mut ways = vec![(Path::new("/etc"), Kind::Folder)];
    if is_part {
        ways.push((folder, Kind::Folder));
    }
    ways.push((path, Kind::File));
    for (way, kind) in ways {
        let entry = files.look(way).map_err(|why| format!("`{}`: {why}", way.display()))?;
        let entry = entry.ok_or_else(|| format!("`{}` does not exist", way.display()))?;
        if entry.kind != kind || entry.owner != 0 || entry.is_shared() {
            return Err(format!(
                "`{}` must be a plain {} that root owns and nobody else may write, because it names \
                 programs to run",
                way.display(),
                if kind == Kind::Folder { "folder" } else { "file" }
            ));
        }
    }
    Ok(())
}

pub(crate) fn among(words: &[impl AsRef<str>], text: &str) -> Result<(), String> {
    let mut words = words.iter().map(AsRef::as_ref);
    if words.clone().any(|word| word == text) {
        return Ok(());
    }
    let first = words.next().unwrap_or_default().to_owned();
    let listed = words.fold(first, |listed, word| format!("{listed}, {word}"));
    Err(format!("`{text}` is none of {listed}"))
}

/// Digits only: a sign, a space or a fraction is not a number here.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

pub(crate) fn within(text: &str, min: u64, max: u64) -> Result<(), String> {
    match digits(text) {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        Some(_) | None => Err(format!("`{text}` is not a whole number from {min} to {max}")),
    }
}

pub(crate) fn with_sign(text: &str, signs: &[(char, u64)], min: u64) -> Result<(), String> {
    let value = signs.iter().find_map(|(sign, factor)| {
        digits(text.strip_suffix(*sign)?).map(|number| number.saturating_mul(*factor))
    });
    if value.is_some_and(|value| value >= min) {
        return Ok(());
    }
    let signs: Vec<String> = signs.iter().map(|(sign, _)| format!("N{sign}")).collect();
    let least = signs.first().map_or("", String::as_str).replace('N', &min.to_string());
    Err(format!("`{text}` is not {} of at least {least}", signs.join(" or ")))
}

/// A duration in seconds or minutes.
pub(crate) fn seconds(text: &str, min: u64, max: u64) -> Result<(), String> {
    let in_seconds = text.strip_suffix('s').and_then(digits);
    let in_minutes = text.strip_suffix('m').and_then(digits);
    let value = in_seconds.or(in_minutes.map(|minutes| minutes.saturating_mul(60)));
    match value {
        Some(value) if (min..=max).contains(&value) => Ok(()),
        Some(_) | None => Err(format!("`{text}` is not a duration from {min}s to {max}s")),
    }
}

pub(crate) fn moment(text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" :.-".contains(&byte);
    if !text.is_empty() && text.len() <= MOMENT_BYTES_MAX && text.bytes().all(plain) {
        Ok(())
    } else {
        Err(format!("`{text}` is not a moment such as `1 hour ago` or `2026-01-31 03:00`"))
    }
}

pub(crate) fn properties(text: &str) -> Result<(), String> {
    let name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if text.split(',').all(name) {
        Ok(())
    } else {
        Err(format!("`{text}` is not a list of property names"))
    }
}

pub(crate) fn deployment(text: &str) -> Result<&str, String> {
    let name = text.strip_prefix("deployment/");
    let name = name.ok_or_else(|| format!("`{text}` is not of the form deployment/NAME"))?;
    well_formed(name).map_err(|why| why.to_string())?;
    Ok(name)
}

pub(crate) fn plain_path(text: &str) -> Result<(), String> {
    let dots = text.split('/').any(|part| part == "." || part == "..");
    if text.starts_with('/') && !dots {
        Ok(())
    } else {
        Err(format!("`{text}` is not an absolute path without `.` and `..`"))
    }
}

/// A kind of operand in words.
pub(crate) fn described(kind: &Operand) -> String {
    match kind {
        Operand::OneOf(words) => format!("one of {}", words.join(", ")),
        Operand::Number { min, max } => format!("a whole number from {min} to {max}"),
        Operand::Days { min } => format!("a number of days of at least {min}d"),
        Operand::Mebibytes { min } => format!("a size of at least {min}M"),
        Operand::Moment => "a moment".to_owned(),
        Operand::Properties => "names of properties".to_owned(),
        Operand::Unit | Operand::AnyUnit => "the name of a unit".to_owned(),
        Operand::Seconds { min, max } => format!("a duration from {min}s to {max}s"),
        Operand::Name => "a name".to_owned(),
        Operand::Loopback => "127.0.0.1, ::1 or localhost".to_owned(),
        Operand::Container(_) => "the name of a container".to_owned(),
        Operand::ComposeService(_) => "the name of a service of Compose".to_owned(),
        Operand::ComposeFile => "the compose file of a declared service".to_owned(),
        Operand::Formula => "the name of a formula".to_owned(),
        Operand::LaunchdTarget => "a job of launchd".to_owned(),
        Operand::Deployment | Operand::AnyDeployment => "deployment/NAME".to_owned(),
        Operand::DeploymentName => "the name of a deployment".to_owned(),
        Operand::CleanFile => "a file below a clean root".to_owned(),
        Operand::LogrotateConfig => format!("{LOGROTATE_CONFIG} or a file in {LOGROTATE_FOLDER}"),
        Operand::Path => "an absolute path".to_owned(),
    }
}
