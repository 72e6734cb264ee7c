//! CRC-32 as in ISO 3309 and zlib (polynomial 0xEDB88320, reflected).
//!
//! It finds every flipped bit and every burst of up to 32 bits.  It is no protection against
//! somebody who wants to deceive.

use crc32fast::Hasher;

/// A checksum under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    /// The checksum of nothing so far.
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// With these bytes behind the ones so far.
    #[must_use]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        Self(hasher.finalize())
    }

    /// With this number, in little-endian order, behind the bytes so far.
    #[must_use]
    pub(crate) fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The checksum.
    #[must_use]
    pub(crate) fn value(self) -> u32 {
        self.0
    }

    /// The checksum, as a column of a table stores it.
    #[must_use]
    pub(crate) fn finish(self) -> i64 {
        i64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_the_check_value_of_the_catalogue() {
        assert_eq!(Crc32::new().bytes(b"123456789").finish(), 0xCBF4_3926);
        assert_eq!(Crc32::new().bytes(b"1234").bytes(b"56789").finish(), 0xCBF4_3926);
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_found(bytes in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index, bit in 0..8u8) {
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            prop_assert_ne!(Crc32::new().bytes(&bytes).finish(), Crc32::new().bytes(&flipped).finish());
        }
    }
}
