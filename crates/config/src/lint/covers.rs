//! When matchers take everything that other matchers could take.

use nightcrew_model::matcher::{MatchOp, Matcher};

/// Whether whatever holds for `narrow` also holds for `wide`.  It is only said where it is sure:
/// by equal matchers, and by matchers of which the values can be listed.
pub(crate) fn covers(wide: &[&Matcher], narrow: &[&Matcher]) -> bool {
    wide.iter().all(|wide| narrow.iter().any(|narrow| implies(narrow, wide)))
}

/// Whether no labels can hold for all of these matchers.
pub(crate) fn contradict(matchers: &[&Matcher]) -> bool {
    matchers.iter().any(|one| {
        let Some(values) = values(one) else { return false };
        let others = || matchers.iter().filter(|other| other.name() == one.name());
        values.iter().all(|value| others().any(|other| !other.holds_for(value)))
    })
}

fn implies(narrow: &Matcher, wide: &Matcher) -> bool {
    narrow == wide
        || (narrow.name() == wide.name()
            && values(narrow).is_some_and(|values| values.iter().all(|v| wide.holds_for(v))))
}

/// The values for which a matcher holds, where they can be listed: one, or the alternatives of a
/// plain `a|b|c`.
fn values(matcher: &Matcher) -> Option<Vec<&str>> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ' ' | ':' | '|');
    match matcher.op() {
        MatchOp::Equal => Some(vec![matcher.value()]),
        MatchOp::Regex if matcher.value().chars().all(is_plain) => {
            Some(matcher.value().split('|').collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::labels::Labels;
    use nightcrew_model::matcher::Matchers;
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> Matchers {
        Matchers::parse(text).unwrap()
    }

    fn says(wide: &str, narrow: &str) -> bool {
        let (wide, narrow) = (set(wide), set(narrow));
        covers(&wide.iter().collect::<Vec<_>>(), &narrow.iter().collect::<Vec<_>>())
    }

    #[test]
    fn says_what_is_sure() {
        for (wide, narrow) in [
            ("", ""),
            ("", "a=1"),
            ("a=1", "a=1"),
            ("a=1", "a=1,b=2"),
            ("a=~\"1|2\"", "a=1"),
            ("a=~\"1|2|3\"", "a=~\"3|1\""),
            ("a!=2", "a=1"),
            ("팀=~\"결.*\"", "팀=결제"),
            ("a!~x", "a!~x,c=1"),
        ] {
            assert!(says(wide, narrow), "{wide} / {narrow}");
        }
        for (wide, narrow) in
            [("a=1", ""), ("a=1", "a=2"), ("a=1,b=2", "a=1"), ("a=~\"1.*\"", "a=~\"12.*\"")]
        {
            assert!(!says(wide, narrow), "{wide} / {narrow}");
        }
        let never = |text: &str| contradict(&set(text).iter().collect::<Vec<_>>());
        assert!(never("a=1,a=2"));
        assert!(never("a=1,a!=1"));
        assert!(never("a=~\"x|y\",a=z"));
        assert!(!never("a=1,b=2"));
        assert!(!never("a=~\"x|y\",a=y"));
    }

    proptest! {
        /// Whatever is said holds for labels that are tried.
        #[test]
        fn what_is_said_is_true(
            wide in "(a|b)(=|!=|=~|!~)(1|2|1\\|2)", narrow in "(a|b)(=|!=|=~|!~)(1|2|1\\|2)",
            a in "(1|2|)", b in "(1|2|)",
        ) {
            let labels: Labels = [("a", a), ("b", b)].into_iter().collect();
            let (wide, narrow) = (set(&wide), set(&narrow));
            let said = covers(&wide.iter().collect::<Vec<_>>(), &narrow.iter().collect::<Vec<_>>());
            prop_assert!(!(said && narrow.hold(&labels)) || wide.hold(&labels));
            let both: Vec<&Matcher> = wide.iter().chain(narrow.iter()).collect();
            prop_assert!(!(contradict(&both) && wide.hold(&labels) && narrow.hold(&labels)));
        }
    }
}
