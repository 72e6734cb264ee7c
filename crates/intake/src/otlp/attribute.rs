//! Attributes, and the resource to which everything of a request belongs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use nightcrew_model::id::{ServiceName, Target};

use super::Malformed;
use super::limit::{ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, DEPTH_MAX, SERVICE_CHARS_MAX};
use super::wire::Fields;
use crate::wording::beginning;

/// What a resource without a name is called, as SDKs call it.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// Who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) service: ServiceName,
    /// Tells processes apart.
    pub(super) identity: u64,
}

impl Origin {
    /// Reads a `Resource`; the inner error says why nothing of it is taken.
    pub(super) fn read(resource: &[u8]) -> Result<Result<Self, String>, Malformed> {
        let attributes = attributes(resource, 1)?;
        let find = |key: &str| attributes.get(key).map(String::as_str);
        let name = find("service.name").map(str::trim).filter(|name| !name.is_empty());
        let mut hasher = DefaultHasher::new();
        attributes.hash(&mut hasher);
        let identity = hasher.finish();
        let service = service(name.unwrap_or(UNKNOWN_SERVICE));
        Ok(service.map(|service| Self { service, identity }))
    }

    /// The target of a data point with these attributes, and what tells its series apart; none
    /// where there is too much of it.
    pub(super) fn series(
        &self,
        metric: &str,
        attributes: &BTreeMap<String, String>,
    ) -> Option<(Target, u64)> {
        if attributes.len() > ATTRIBUTES_MAX {
            return None;
        }
        let mut part = String::new();
        for (key, value) in attributes {
            let comma = if part.is_empty() { "" } else { "," };
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            // Writing to a string cannot fail.
            let _ = write!(part, "{comma}{key}={value}");
            if part.len() > ATTRIBUTES_BYTES_MAX {
                return None;
            }
        }
        let mut hasher = DefaultHasher::new();
        (self.identity, metric, attributes).hash(&mut hasher);
        let target = if part.is_empty() {
            Target::service(self.service.clone())
        } else {
            Target::part(self.service.clone(), &part)
        };
        Some((target, hasher.finish()))
    }
}

/// A service's name, with what no name of the configuration can hold replaced.
pub(super) fn service(name: &str) -> Result<ServiceName, String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if name == ServiceName::HOST {
        return Err(
            "`service.name` is `host`, which stands for this machine; name the service".to_owned()
        );
    }
    if name.chars().count() > SERVICE_CHARS_MAX {
        return Err(format!("`service.name` is longer than {SERVICE_CHARS_MAX} characters"));
    }
    if !name.starts_with(char::is_alphanumeric) {
        return Err(format!("`service.name` {name:?} does not begin with a letter or a digit"));
    }
    Ok(ServiceName::from(name))
}

/// The attributes of a message, which stand in its field `number`; of two with the same key the
/// later counts.
pub(super) fn attributes(
    message: &[u8],
    number: u32,
) -> Result<BTreeMap<String, String>, Malformed> {
    let mut found = BTreeMap::new();
    for field in Fields::of(message) {
        let field = field?;
        // One more than may be, so that there being too many shows.
        if field.number == number && found.len() <= ATTRIBUTES_MAX {
            let (mut key, mut value) = (String::new(), String::new());
            for field in Fields::of(field.value.bytes()?) {
                let field = field?;
                match field.number {
                    1 => key = field.value.text()?,
                    2 => value = text(field.value.bytes()?, ATTRIBUTES_BYTES_MAX)?,
                    _ => {}
                }
            }
            found.insert(key, value);
        }
    }
    Ok(found)
}

/// An `AnyValue` as text of about `bytes_max` bytes at most.
pub(super) fn text(value: &[u8], bytes_max: usize) -> Result<String, Malformed> {
    let mut text = String::new();
    write_any(&mut text, value, bytes_max, 0)?;
    if text.len() > bytes_max {
        text.truncate(beginning(&text, bytes_max).len());
    }
    Ok(text)
}

fn write_any(
    text: &mut String,
    value: &[u8],
    bytes_max: usize,
    depth: usize,
) -> Result<(), Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed::TooDeep);
    }
    for field in Fields::of(value) {
        let field = field?;
        if text.len() > bytes_max {
            break;
        }
        // Writing to a string cannot fail.
        let _ = match field.number {
            1 => {
                let bytes = field.value.bytes()?;
                let bytes = bytes.get(..bytes_max.saturating_add(4)).unwrap_or(bytes);
                text.push_str(&String::from_utf8_lossy(bytes));
                Ok(())
            }
            2 => write!(text, "{}", field.value.integer()? != 0),
            3 => write!(text, "{}", field.value.signed()?),
            4 => write!(text, "{}", field.value.double()?),
            5 => {
                text.push('[');
                write_items(text, field.value.bytes()?, bytes_max, depth)?;
                text.push(']');
                Ok(())
            }
            6 => {
                text.push('{');
                write_pairs(text, field.value.bytes()?, bytes_max, depth)?;
                text.push('}');
                Ok(())
            }
            7 => write!(text, "<{} bytes>", field.value.bytes()?.len()),
            _ => Ok(()),
        };
    }
    Ok(())
}

fn write_items(
    text: &mut String,
    list: &[u8],
    bytes_max: usize,
    depth: usize,
) -> Result<(), Malformed> {
    let mut first = true;
    for field in Fields::of(list) {
        let field = field?;
        if field.number == 1 && text.len() <= bytes_max {
            if !std::mem::take(&mut first) {
                text.push_str(", ");
            }
            write_any(text, field.value.bytes()?, bytes_max, depth + 1)?;
        }
    }
    Ok(())
}

fn write_pairs(
    text: &mut String,
    list: &[u8],
    bytes_max: usize,
    depth: usize,
) -> Result<(), Malformed> {
    let mut first = true;
    for field in Fields::of(list) {
        let field = field?;
        if field.number != 1 || text.len() > bytes_max {
            continue;
        }
        if !std::mem::take(&mut first) {
            text.push_str(", ");
        }
        for member in Fields::of(field.value.bytes()?) {
            let member = member?;
            match member.number {
                1 => {
                    text.push_str(&String::from_utf8_lossy(member.value.bytes()?));
                    text.push('=');
                }
                2 => write_any(text, member.value.bytes()?, bytes_max, depth + 1)?,
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::wire::Writer;
    use super::*;

    fn string(text: &str) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(1, text.as_bytes());
        writer.into_bytes()
    }

    fn pair(key: &str, value: &[u8]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(1, key.as_bytes());
        writer.bytes(2, value);
        writer.into_bytes()
    }

    #[test]
    fn values_are_told_as_text_within_a_length() {
        let mut list = Writer::default();
        list.bytes(1, &pair("경로", &string("/주문")));
        list.bytes(1, &pair("n", &[0x18, 0x07]));
        let mut any = Writer::default();
        any.bytes(6, &list.into_bytes());
        let any = any.into_bytes();
        assert_eq!(text(&any, 100).unwrap(), "{경로=/주문, n=7}");
        assert_eq!(text(&any, 8).unwrap(), "{경로=");
        assert_eq!(text(&string(&"가".repeat(100)), 10).unwrap(), "가가가");
    }

    #[test]
    fn values_that_nest_too_deep_are_refused() {
        let mut any = string("바닥");
        for _ in 0..=DEPTH_MAX {
            let mut list = Writer::default();
            list.bytes(1, &any);
            let mut outer = Writer::default();
            outer.bytes(5, &list.into_bytes());
            any = outer.into_bytes();
        }
        assert_eq!(text(&any, 1_000), Err(Malformed::TooDeep));
    }

    #[test]
    fn a_name_of_a_service_is_one_that_the_configuration_can_hold() {
        assert_eq!(service("결제 서비스/1").unwrap().as_str(), "결제_서비스_1");
        assert_eq!(service("unknown_service:/usr/bin/python3").unwrap().as_str().len(), 32);
        for bad in ["host", "", "-x", &"x".repeat(SERVICE_CHARS_MAX + 1)] {
            service(bad).unwrap_err();
        }
    }

    #[test]
    fn too_many_or_too_long_attributes_name_no_series() {
        let origin = Origin::read(&[]).unwrap().unwrap();
        assert_eq!(origin.service.as_str(), UNKNOWN_SERVICE);
        let many = |n: usize| (0..n).map(|n| (n.to_string(), String::new())).collect();
        assert!(origin.series("m", &many(ATTRIBUTES_MAX)).is_some());
        assert!(origin.series("m", &many(ATTRIBUTES_MAX + 1)).is_none());
        let long = BTreeMap::from([("k".to_owned(), "v".repeat(ATTRIBUTES_BYTES_MAX))]);
        assert!(origin.series("m", &long).is_none());
    }
}
