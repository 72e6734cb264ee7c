//! The binary encoding of Protocol Buffers, as far as OTLP needs it: fields are read one by one and
//! borrow from the body.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.
//!
//! Messages are not built in memory as a whole: an empty element of two bytes would become a
//! structure of hundreds, and a body of 16 MB one of gigabytes.

use super::Malformed;

/// A field as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    /// Its number in the schema.
    pub(super) number: u32,
    /// What it holds.
    pub(super) value: Value<'a>,
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    /// A text, bytes, a message, or packed numbers.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes of a message, a text or packed numbers.
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => Err(Malformed::WireType),
        }
    }

    /// A text.  What is no UTF-8 is replaced: a name with a bad byte still names something.
    pub(super) fn text(self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    /// A whole number of any encoding.
    pub(super) fn integer(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) | Self::Fixed64(value) => Ok(value),
            Self::Fixed32(value) => Ok(u64::from(value)),
            Self::Bytes(_) => Err(Malformed::WireType),
        }
    }

    /// A whole number with a sign, two's complement.
    pub(super) fn signed(self) -> Result<i64, Malformed> {
        Ok(self.integer()?.cast_signed())
    }

    /// A whole number with a sign, in zigzag (`sint32`).
    pub(super) fn zigzag(self) -> Result<i64, Malformed> {
        let value = self.integer()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// A floating point number.
    pub(super) fn double(self) -> Result<f64, Malformed> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            Self::Varint(_) | Self::Fixed32(_) | Self::Bytes(_) => Err(Malformed::WireType),
        }
    }

    /// Packed numbers of eight bytes, or one that is not packed.
    pub(super) fn fixed64s(self, add: &mut Vec<u64>, n_max: usize) -> Result<(), Malformed> {
        match self {
            Self::Fixed64(value) => add.push(value),
            Self::Bytes(mut bytes) => {
                while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
                    if add.len() >= n_max {
                        return Err(Malformed::TooManyBuckets);
                    }
                    add.push(u64::from_le_bytes(*head));
                    bytes = rest;
                }
                if !bytes.is_empty() {
                    return Err(Malformed::Truncated);
                }
            }
            Self::Varint(_) | Self::Fixed32(_) => return Err(Malformed::WireType),
        }
        Ok(())
    }

    /// Packed varints, or one that is not packed.
    pub(super) fn varints(self, add: &mut Vec<u64>, n_max: usize) -> Result<(), Malformed> {
        match self {
            Self::Varint(value) => add.push(value),
            Self::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    if add.len() >= n_max {
                        return Err(Malformed::TooManyBuckets);
                    }
                    add.push(varint(&mut bytes)?);
                }
            }
            Self::Fixed64(_) | Self::Fixed32(_) => return Err(Malformed::WireType),
        }
        Ok(())
    }
}

/// The fields of a message, in the order in which they stand.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Result<Field<'a>, Malformed> {
        let key = varint(&mut self.0)?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed::FieldNumber)?;
        if number == 0 {
            return Err(Malformed::FieldNumber);
        }
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => Value::Fixed64(u64::from_le_bytes(*self.chunk()?)),
            2 => {
                let length = varint(&mut self.0)?;
                let length = usize::try_from(length).map_err(|_| Malformed::Truncated)?;
                let (head, rest) = self.0.split_at_checked(length).ok_or(Malformed::Truncated)?;
                self.0 = rest;
                Value::Bytes(head)
            }
            5 => Value::Fixed32(u32::from_le_bytes(*self.chunk()?)),
            // Groups (3 and 4) are no part of proto3.
            _ => return Err(Malformed::WireType),
        };
        Ok(Field { number, value })
    }

    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.0 = &[];
        }
        Some(read)
    }
}

/// A number in groups of seven bits, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Malformed::Truncated)?;
        *bytes = rest;
        let group = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        value |= group.checked_shl(shift).ok_or(Malformed::Varint)?;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed::Varint)
}

/// Writes a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn varint(&mut self, number: u32, value: u64) {
        self.raw(u64::from(number) << 3);
        self.raw(value);
    }

    pub(super) fn fixed64(&mut self, number: u32, value: u64) {
        self.raw(u64::from(number) << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn fixed32(&mut self, number: u32, value: u32) {
        self.raw(u64::from(number) << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.raw(u64::from(number) << 3 | 2);
        self.raw(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn raw(&mut self, mut value: u64) {
        loop {
            let [low, ..] = value.to_le_bytes();
            value >>= 7;
            if value == 0 {
                return self.0.push(low & 0x7f);
            }
            self.0.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_encoding_page_are_read() {
        let fields = |bytes| Fields::of(bytes).collect::<Result<Vec<_>, _>>();
        let varint = Field { number: 1, value: Value::Varint(150) };
        assert_eq!(fields(&[0x08, 0x96, 0x01]), Ok(vec![varint]));
        let text = Field { number: 2, value: Value::Bytes(b"testing") };
        assert_eq!(fields(b"\x12\x07testing"), Ok(vec![text]));
        let mut packed = Vec::new();
        Value::Bytes(&[0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]).varints(&mut packed, 3).unwrap();
        assert_eq!(packed, [3, 270, 86_942]);
        for (encoded, value) in [(0, 0), (1, -1), (2, 1), (0xffff_fffe, 0x7fff_ffff)] {
            assert_eq!(Value::Varint(encoded).zigzag(), Ok(value));
        }
    }

    #[test]
    fn what_is_cut_off_or_no_message_is_an_error() {
        let broken = |bytes| Fields::of(bytes).find_map(Result::err);
        assert_eq!(broken(&[0x08]), Some(Malformed::Truncated));
        assert_eq!(broken(b"\x12\x09testing"), Some(Malformed::Truncated));
        assert_eq!(broken(&[0x00, 0x00]), Some(Malformed::FieldNumber));
        assert_eq!(broken(&[0x0b]), Some(Malformed::WireType));
        assert_eq!(broken(&[0xff; 11]), Some(Malformed::Varint));
        assert_eq!(broken(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some(Malformed::Truncated));
        let mut none = Vec::new();
        let many = Value::Bytes(&[0; 16]).fixed64s(&mut none, 1);
        assert_eq!(many, Err(Malformed::TooManyBuckets));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(number in 1_u32..1 << 29, value: u64, bytes: Vec<u8>) {
            let mut writer = Writer::default();
            writer.varint(number, value);
            writer.fixed64(number, value);
            writer.bytes(number, &bytes);
            let written = writer.into_bytes();
            let values: Vec<_> =
                Fields::of(&written).map(|field| field.map(|field| field.value)).collect();
            let wanted = [Value::Varint(value), Value::Fixed64(value), Value::Bytes(&bytes)];
            prop_assert_eq!(values, wanted.map(Ok));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            for field in Fields::of(&bytes) {
                let Ok(field) = field else { break };
                let _ = (field.value.double(), field.value.zigzag(), field.value.text());
            }
        }
    }
}
