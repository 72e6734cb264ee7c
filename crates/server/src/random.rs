//! Ids that nobody can guess and that never repeat.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::problem::{Kind, Problem};

/// The operating system gives no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandom;

impl From<NoRandom> for Problem {
    fn from(_: NoRandom) -> Self {
        Self::new(
            Kind::Overloaded,
            "the operating system gives no random numbers",
            "send the same request again in a moment",
        )
    }
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn uuid() -> Result<String, NoRandom> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    let mut bits = u128::from_be_bytes(bytes);
    bits = bits & !(0xf << 76) | 4 << 76;
    bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let part = |from: usize, until: usize| hex.get(from..until).unwrap_or_default();
    let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4_and_differ() {
        let id = uuid().unwrap();
        let parts: Vec<&str> = id.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('4'), "{id}");
        assert!(parts[3].starts_with(['8', '9', 'a', 'b']), "{id}");
        assert_ne!(uuid().unwrap(), id);
    }
}
