//! The same question asked twice.

use std::collections::HashMap;

use crate::decode::{Context, SeenCheck};
use crate::settings::Probe;

/// Tells of checks that ask the same thing as an earlier one.
pub(crate) fn check(checks: &[SeenCheck], cx: &mut Context<'_>) {
    let mut asked: HashMap<&Probe, &SeenCheck> = HashMap::new();
    for seen in checks {
        let Some(first) = asked.get(&seen.probe) else {
            asked.insert(&seen.probe, seen);
            continue;
        };
        let place = cx.files.locate(first.place.span);
        let message = if first.service == seen.service {
            format!("the same is asked twice; first at {place}")
        } else {
            format!(
                "the same is asked for the service {} already, at {place}: one failure will be \
                 two incidents",
                first.service
            )
        };
        cx.report.warning(seen.place.clone(), message).hint("keep one of the two");
    }
}

#[cfg(test)]
mod tests {
    use crate::env::Env;
    use crate::load::{ConfigSource, load};

    #[test]
    fn asking_the_same_twice_is_told_with_both_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.json5");
        let text = "{ services: {\n  웹: { checks: [{ http: 'http://h/' }, { http: 'http://h/' }] },\n  \
                    b: { checks: [{ http: 'http://h/' }, { http: 'http://h/x' }] } } }";
        std::fs::write(&path, text).unwrap();
        let loaded = load(ConfigSource::Path(path.clone()), &Env::default());
        let said: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        let file = path.display();
        assert_eq!(
            said,
            [
                format!(
                    "{file}:2:48: warning: services.웹.checks[1].http: the same is asked twice; \
                     first at {file}:2:25 (keep one of the two)"
                ),
                format!(
                    "{file}:3:25: warning: services.b.checks[0].http: the same is asked for the \
                     service 웹 already, at {file}:2:25: one failure will be two incidents (keep \
                     one of the two)"
                ),
            ]
        );
    }
}
