//! Which alerts a query string asks for.

use nightcrew_model::alert::Alert;
use nightcrew_model::id::ReceiverName;
use nightcrew_model::matcher::{MATCHERS_MAX, Matcher, whole};
use nightcrew_model::mute::MutedBy;

use super::answer::Refused;
use super::shown::Quiet;

/// Which alerts are asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    active: Choice,
    silenced: Choice,
    inhibited: Choice,
    muted: Choice,
    matchers: Vec<Matcher>,
    receiver: Option<regex::Regex>,
}

/// Whether alerts of one sort are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Show,
    LeaveOut,
}

impl Wanted {
    /// Every alert.
    pub(crate) fn everything() -> Self {
        Self {
            active: Choice::Show,
            silenced: Choice::Show,
            inhibited: Choice::Show,
            muted: Choice::Show,
            matchers: Vec::new(),
            receiver: None,
        }
    }

    /// Reads a query string.
    pub(crate) fn of(query: &[(String, String)]) -> Result<Self, Refused> {
        let mut wanted = Self { matchers: filters(query)?, ..Self::everything() };
        for (name, value) in query {
            match name.as_str() {
                "active" => wanted.active = choice(name, value)?,
                "silenced" => wanted.silenced = choice(name, value)?,
                "inhibited" => wanted.inhibited = choice(name, value)?,
                "muted" => wanted.muted = choice(name, value)?,
                // Every alert of ours is processed when it can be seen, so this changes nothing.
                "unprocessed" => drop(choice(name, value)?),
                "receiver" if !value.is_empty() => {
                    let regex = whole(value).map_err(|why| {
                        Refused::Bad(format!("failed to parse receiver param: {why}"))
                    })?;
                    wanted.receiver = Some(regex);
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    /// Whether the labels of an alert are as asked for.
    pub(crate) fn fits(&self, alert: &Alert) -> bool {
        self.matchers.iter().all(|matcher| matcher.holds(&alert.labels))
    }

    /// Whether a receiver is one of those that are asked for.
    pub(crate) fn hears(&self, receiver: &ReceiverName) -> bool {
        self.receiver.as_ref().is_none_or(|regex| regex.is_match(receiver.as_str()))
    }

    /// Whether an alert that these keep quiet is asked for.
    pub(crate) fn shows(&self, muted: &[MutedBy]) -> bool {
        let by = |quiet| muted.iter().any(|by| Quiet::of(by) == quiet);
        (self.active == Choice::Show || !muted.is_empty())
            && (self.silenced == Choice::Show || !by(Quiet::Silenced))
            && (self.inhibited == Choice::Show || !by(Quiet::Inhibited))
            && (self.muted == Choice::Show || !by(Quiet::Muted))
    }
}

/// The `filter` parameters.
pub(crate) fn filters(query: &[(String, String)]) -> Result<Vec<Matcher>, Refused> {
    let texts: Vec<&String> =
        query.iter().filter(|(name, _)| name == "filter").map(|(_, value)| value).collect();
    if texts.len() > MATCHERS_MAX {
        return Err(Refused::Bad(format!("more than {MATCHERS_MAX} filters")));
    }
    let parse = |text: &String| {
        Matcher::parse(text)
            .map_err(|bad| Refused::Bad(format!("bad matcher format: {}: {}", bad.text, bad.why)))
    };
    texts.into_iter().map(parse).collect()
}

/// The words that Alertmanager's own server takes for a truth value (`go-openapi/swag`).
fn choice(name: &str, value: &str) -> Result<Choice, Refused> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "ok" | "y" | "on" | "selected" | "checked" | "t" | "enabled" => {
            Ok(Choice::Show)
        }
        "false" | "0" | "no" | "n" | "off" | "unchecked" | "f" | "disabled" => Ok(Choice::LeaveOut),
        _ => Err(Refused::Bad(format!("{name} must be true or false, not {value:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &[(&str, &str)]) -> Result<Wanted, String> {
        let owned: Vec<_> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Wanted::of(&owned).map_err(|refused| match refused {
            Refused::Bad(why) => why,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn filters_have_a_limit_and_say_what_is_wrong() {
        let many = vec![("filter", "a=b"); MATCHERS_MAX];
        assert_eq!(wanted(&many).unwrap().matchers.len(), MATCHERS_MAX);
        let more = vec![("filter", "a=b"); MATCHERS_MAX + 1];
        assert_eq!(wanted(&more).unwrap_err(), "more than 64 filters");
        let why = wanted(&[("filter", "결제")]).unwrap_err();
        assert!(why.starts_with("bad matcher format: 결제"), "{why}");
        assert!(wanted(&[("active", "maybe")]).unwrap_err().contains("true or false"));
        let why = wanted(&[("receiver", "(")]).unwrap_err();
        assert!(why.starts_with("failed to parse receiver param: "), "{why}");
        assert_eq!(wanted(&[("unknown", "x")]).unwrap().active, Choice::Show);
    }

    #[test]
    fn what_is_quiet_is_left_out_by_what_keeps_it_quiet() {
        let silence = MutedBy::Silence { silence: "a".into() };
        let lock = MutedBy::Lock { lock: "부하시험".into() };
        let shows = |query: &[(&str, &str)], muted: &[MutedBy]| wanted(query).unwrap().shows(muted);
        assert!(shows(&[], &[]) && shows(&[], std::slice::from_ref(&silence)));
        assert!(!shows(&[("active", "false")], &[]));
        assert!(shows(&[("active", "false")], std::slice::from_ref(&lock)));
        assert!(!shows(&[("silenced", "false")], &[lock.clone(), silence.clone()]));
        assert!(shows(&[("inhibited", "false")], std::slice::from_ref(&silence)));
        assert!(!shows(&[("muted", "0")], &[lock]));
    }
}
