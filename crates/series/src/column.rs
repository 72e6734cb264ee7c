//! One column of a chunk: moments or values, compressed without loss.
//!
//! A column is a tag and what follows it.  Evenly spaced moments are a start and a step; values that
//! are all the same are one value; anything else is compressed with pco (Loncaric et al., "Pcodec:
//! Better Compression for Numerical Sequences", 2025), or kept as it is where that is not smaller.
//! Values keep every bit, the sign of zero included.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};

use crate::bytes::{Bytes, Malformed, put, put_signed};
use crate::error::StoreError;

/// How long to look for a small form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Once, quickly: for what is merged again soon.
    Quick,
    /// In several ways, of which the smallest is kept: for what stays.
    Thorough,
}

const EVEN: u8 = 0;
const PCO: u8 = 1;
const PLAIN: u8 = 2;
const SAME: u8 = 3;
const DECIMAL: u8 = 4;
const DISTINCT: u8 = 5;

/// The level of pco for what is merged again soon.
const QUICK_LEVEL: usize = 4;

/// The level of pco for what stays.
const THOROUGH_LEVEL: usize = 8;

/// Columns of fewer numbers are packed in one way only.
const THOROUGH_MIN: usize = 256;

/// The decimal places that are looked for: a table, because a computed power may differ from
/// machine to machine in its last bit.
const SCALES: [f64; 14] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13];

/// How many representable numbers a value may lie beside its decimal: sums and means do.
const BESIDE_MAX: u64 = 64;

/// Beyond this, whole numbers are not exact as values.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn codec(error: &pco::errors::PcoError) -> StoreError {
    StoreError::Codec { what: error.to_string() }
}

fn squeeze<T: Number>(numbers: &[T], effort: Effort) -> Result<Vec<u8>, StoreError> {
    let level = if effort == Effort::Quick { QUICK_LEVEL } else { THOROUGH_LEVEL };
    let config = ChunkConfig::default().with_compression_level(level);
    simple_compress(numbers, &config).map_err(|error| codec(&error))
}

fn put_packed(
    out: &mut Vec<u8>,
    packed: &[u8],
    count: usize,
    plain: impl Iterator<Item = [u8; 8]>,
) {
    if packed.len() < count * 8 {
        out.push(PCO);
        put(out, packed.len() as u64);
        out.extend_from_slice(packed);
    } else {
        out.push(PLAIN);
        plain.for_each(|number| out.extend_from_slice(&number));
    }
}

/// Writes whole numbers.
pub(crate) fn put_wholes(
    out: &mut Vec<u8>,
    numbers: &[i64],
    effort: Effort,
) -> Result<(), StoreError> {
    let [first, rest @ ..] = numbers else { return Ok(()) };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(*first));
    if numbers.array_windows().all(|[one, next]| next.wrapping_sub(*one) == step) {
        out.push(EVEN);
        put_signed(out, *first);
        put_signed(out, step);
        return Ok(());
    }
    let packed = squeeze(numbers, effort)?;
    put_packed(out, &packed, numbers.len(), numbers.iter().map(|number| number.to_le_bytes()));
    Ok(())
}

/// Writes values.
pub(crate) fn put_values(
    out: &mut Vec<u8>,
    values: &[f64],
    effort: Effort,
) -> Result<(), StoreError> {
    let [first, rest @ ..] = values else { return Ok(()) };
    if rest.iter().all(|value| value.to_bits() == first.to_bits()) {
        out.push(SAME);
        out.extend_from_slice(&first.to_le_bytes());
        return Ok(());
    }
    let mut best = Vec::new();
    put_floats(&mut best, values, effort)?;
    if effort == Effort::Thorough && values.len() >= THOROUGH_MIN {
        for other in [put_decimals, put_distinct] {
            let mut found = Vec::new();
            if other(&mut found, values)? && found.len() < best.len() {
                best = found;
            }
        }
    }
    out.append(&mut best);
    Ok(())
}

fn put_floats(out: &mut Vec<u8>, values: &[f64], effort: Effort) -> Result<(), StoreError> {
    let packed = squeeze(values, effort)?;
    put_packed(out, &packed, values.len(), values.iter().map(|value| value.to_le_bytes()));
    Ok(())
}

/// Writes values as whole numbers of a decimal place, and how far each is beside that; tells
/// whether they are such numbers.  Most values were decimals before they were doubles (Afroozeh et
/// al., "ALP: Adaptive Lossless floating-Point Compression", 2023).
fn put_decimals(out: &mut Vec<u8>, values: &[f64]) -> Result<bool, StoreError> {
    for (scale, places) in SCALES.into_iter().zip(0..) {
        let split = |value: &f64| {
            let whole = (value * scale).round();
            let beside = value.to_bits().cast_signed().wrapping_sub(bits(whole / scale));
            let fits = whole.abs() < WHOLE_MAX && beside.unsigned_abs() <= BESIDE_MAX;
            fits.then_some((whole as i64, beside))
        };
        if let Some(split) = values.iter().map(split).collect::<Option<Vec<_>>>() {
            let (wholes, besides): (Vec<i64>, Vec<i64>) = split.into_iter().unzip();
            out.extend_from_slice(&[DECIMAL, places]);
            put_wholes(out, &wholes, Effort::Thorough)?;
            put_wholes(out, &besides, Effort::Thorough)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes the values that occur, and which of them is where; tells whether they are few.
fn put_distinct(out: &mut Vec<u8>, values: &[f64]) -> Result<bool, StoreError> {
    let mut distinct = values.to_vec();
    distinct.sort_unstable_by(f64::total_cmp);
    distinct.dedup_by_key(|value| value.to_bits());
    if distinct.len() > values.len() / 2 {
        return Ok(false);
    }
    let which = |value: &f64| distinct.partition_point(|other| other.total_cmp(value).is_lt());
    let which: Vec<i64> = values.iter().map(|value| which(value) as i64).collect();
    out.push(DISTINCT);
    put(out, distinct.len() as u64);
    put_floats(out, &distinct, Effort::Thorough)?;
    put_wholes(out, &which, Effort::Thorough)?;
    Ok(true)
}

fn bits(value: f64) -> i64 {
    value.to_bits().cast_signed()
}

fn unsqueeze<T: Number>(bytes: &mut Bytes<'_>, into: &mut [T]) -> Result<(), Malformed> {
    let len = bytes.count(size_of_val(into))?;
    let packed = bytes.take(len)?;
    let progress = simple_decompress_into(packed, into).map_err(|_| Malformed)?;
    if progress.finished && progress.n_processed == into.len() { Ok(()) } else { Err(Malformed) }
}

/// Reads as many whole numbers as there is room for.
pub(crate) fn wholes(bytes: &mut Bytes<'_>, into: &mut [i64]) -> Result<(), Malformed> {
    if into.is_empty() {
        return Ok(());
    }
    match bytes.byte()? {
        EVEN => {
            let (mut number, step) = (bytes.signed()?, bytes.signed()?);
            for place in into {
                *place = number;
                number = number.wrapping_add(step);
            }
            Ok(())
        }
        PCO => unsqueeze(bytes, into),
        PLAIN => into.iter_mut().try_for_each(|place| {
            *place = i64::from_le_bytes(bytes.array()?);
            Ok(())
        }),
        _ => Err(Malformed),
    }
}

/// Reads as many values as there is room for.
pub(crate) fn values(bytes: &mut Bytes<'_>, into: &mut [f64]) -> Result<(), Malformed> {
    if into.is_empty() {
        return Ok(());
    }
    match bytes.byte()? {
        SAME => {
            into.fill(f64::from_le_bytes(bytes.array()?));
            Ok(())
        }
        DECIMAL => {
            let scale = *SCALES.get(usize::from(bytes.byte()?)).ok_or(Malformed)?;
            let (mut whole, mut beside) = (vec![0; into.len()], vec![0; into.len()]);
            wholes(bytes, &mut whole)?;
            wholes(bytes, &mut beside)?;
            for ((place, whole), beside) in into.iter_mut().zip(whole).zip(beside) {
                #[expect(clippy::cast_precision_loss, reason = "it was made of such a value")]
                let near = bits(whole as f64 / scale);
                *place = f64::from_bits(near.wrapping_add(beside).cast_unsigned());
            }
            Ok(())
        }
        DISTINCT => {
            let mut distinct = vec![0.0; bytes.count(into.len())?];
            let tag = bytes.byte()?;
            floats(tag, bytes, &mut distinct)?;
            let mut which = vec![0; into.len()];
            wholes(bytes, &mut which)?;
            into.iter_mut().zip(which).try_for_each(|(place, which)| {
                let found = usize::try_from(which).ok().and_then(|which| distinct.get(which));
                *place = *found.ok_or(Malformed)?;
                Ok(())
            })
        }
        tag => floats(tag, bytes, into),
    }
}

fn floats(tag: u8, bytes: &mut Bytes<'_>, into: &mut [f64]) -> Result<(), Malformed> {
    match tag {
        PCO => unsqueeze(bytes, into),
        PLAIN => into.iter_mut().try_for_each(|place| {
            *place = f64::from_le_bytes(bytes.array()?);
            Ok(())
        }),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(numbers: &[i64], floats: &[f64], effort: Effort) {
        let mut out = Vec::new();
        put_wholes(&mut out, numbers, effort).unwrap();
        put_values(&mut out, floats, effort).unwrap();
        let mut bytes = Bytes(&out);
        let mut numbers_again = vec![0; numbers.len()];
        let mut floats_again = vec![0.0; floats.len()];
        wholes(&mut bytes, &mut numbers_again).unwrap();
        values(&mut bytes, &mut floats_again).unwrap();
        assert!(bytes.is_empty());
        assert_eq!(numbers, numbers_again);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(floats), bits(&floats_again));
    }

    #[test]
    fn even_moments_and_equal_values_take_a_few_bytes() {
        let mut out = Vec::new();
        let moments: Vec<i64> = (0..480).map(|n| 1_700_000_000_000 + n * 15_000).collect();
        put_wholes(&mut out, &moments, Effort::Quick).unwrap();
        put_values(&mut out, &[1.0; 480], Effort::Quick).unwrap();
        assert!(out.len() <= 20, "{}", out.len());
        round_trip(&moments, &[1.0; 480], Effort::Quick);
    }

    #[test]
    fn each_way_of_packing_is_taken_where_it_is_the_smallest() {
        let way = |values: &[f64]| {
            let mut out = Vec::new();
            put_values(&mut out, values, Effort::Thorough).unwrap();
            round_trip(&[], values, Effort::Thorough);
            out[0]
        };
        let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        // As a sum of thirds of a percent would leave them.
        let beside = |value: f64, n: u64| f64::from_bits(value.to_bits() + n % 3);
        let decimals: Vec<f64> =
            (0..999).map(|n| beside((mixed(n) % 40_000) as f64 / 1e3, n * n % 7)).collect();
        assert_eq!(way(&decimals), DECIMAL);
        let roots: Vec<f64> = (0..999).map(|n| ((mixed(n) % 50) as f64).sqrt()).collect();
        assert_eq!(way(&roots), DISTINCT);
        let noise: Vec<f64> = (0..999).map(|n| (mixed(n) as f64).sin()).collect();
        assert_eq!(way(&noise), PCO);
    }

    #[test]
    fn the_bits_of_values_stay() {
        let odd = [0.0, -0.0, 5e-324, f64::MAX, f64::MIN, 0.1 + 0.2];
        round_trip(&[i64::MAX, i64::MIN, 0, -1], &odd, Effort::Quick);
        let many: Vec<f64> = (0..300).map(|n| f64::from(n % 7) * 0.01 + f64::from(n)).collect();
        round_trip(&[1], &many, Effort::Thorough);
        let spoiled: Vec<f64> = many.iter().map(|value| -value).chain([-0.0, 1e300]).collect();
        round_trip(&[1], &spoiled, Effort::Thorough);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn columns_read_back(
            numbers in prop::collection::vec(any::<i64>(), 0..40),
            bits in prop::collection::vec(any::<u64>(), 0..40),
        ) {
            let floats: Vec<f64> = bits.into_iter().map(f64::from_bits).collect();
            round_trip(&numbers, &floats, Effort::Quick);
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..60), tag in 0..7u8) {
            if let Some(first) = bytes.first_mut() {
                *first = tag;
            }
            let _ = wholes(&mut Bytes(&bytes), &mut [0; 20]);
            let _ = values(&mut Bytes(&bytes), &mut [0.0; 20]);
        }
    }
}
