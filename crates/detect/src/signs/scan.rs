//! Small searches in bytes: the parts that every line parser is made of.
//!
//! **Invariant:** nothing is allocated, and no input panics.

use memchr::memmem;

/// What comes before and after the first `byte`; none: the byte is not there.
pub(crate) fn cut(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, bytes)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// What comes after the first `needle`; none: the needle is not there.
pub(crate) fn after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(bytes, needle)?;
    bytes.get(at + needle.len()..)
}

/// What comes before and after the first `needle`.
pub(crate) fn cut_at<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(bytes, needle)?;
    Some((bytes.get(..at)?, bytes.get(at + needle.len()..)?))
}

/// Whether `needle` is somewhere in `bytes`.
pub(crate) fn has(bytes: &[u8], needle: &[u8]) -> bool {
    memmem::find(bytes, needle).is_some()
}

/// Whether `needle`, which is in small letters, is somewhere in `bytes` in any case.
pub(crate) fn has_folded(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len().max(1)).any(|part| part.eq_ignore_ascii_case(needle))
}

/// The first word, up to a space or the end.
pub(crate) fn word(bytes: &[u8]) -> &[u8] {
    cut(bytes, b' ').map_or(bytes, |(word, _)| word)
}

/// `bytes` without the first `n`; empty when there are fewer.
pub(crate) fn rest(bytes: &[u8], n: usize) -> &[u8] {
    bytes.get(n..).unwrap_or_default()
}

/// A number of decimal digits only, at most 18 of them.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 18 {
        return None;
    }
    bytes.iter().try_fold(0_u64, |sum, &digit| {
        digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// A plain decimal number such as `0.123` or `12`; none for anything else, and for a sign, an
/// exponent or a word such as `NaN`.
pub(crate) fn decimal(bytes: &[u8]) -> Option<f64> {
    let (whole, part) = cut(bytes, b'.').unwrap_or((bytes, b""));
    let whole = number(whole)?;
    let digits = part.get(..part.len().min(9))?;
    if part.iter().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let scale = digits.iter().fold(1.0, |scale, _| scale * 10.0);
    Some(float(whole) + float(number(digits).unwrap_or(0)) / scale)
}

/// How many bytes at the beginning belong to a decimal number.
pub(crate) fn decimal_len(bytes: &[u8]) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    bytes.iter().take_while(|byte| is_part(byte)).count()
}

/// A count as a floating-point number; exact up to 2^53, which no count here comes near.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_digits_and_one_point() {
        assert_eq!(decimal(b"0.125"), Some(0.125));
        assert_eq!(decimal(b"12"), Some(12.0));
        assert_eq!(decimal(b"3."), Some(3.0));
        for bad in [&b""[..], b"-", b"-1", b"1e9", b"NaN", b"1.2.3", b".5", b"inf"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_needle_is_found_in_any_case() {
        assert!(has_folded(b"Failed with ENOSPC", b"enospc"));
        assert!(!has_folded(b"", b"x"));
    }
}
