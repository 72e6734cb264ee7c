//! The two levels above the items of every signal: resources, and scopes.

use super::attribute::Origin;
use super::limit::ITEMS_MAX;
use super::schema::{self, Known};
use super::wire::Fields;
use super::{Encoding, Malformed, Rejected};

/// What is done with each item.
type Each<'a> = dyn FnMut(&Origin, &[u8], &mut Rejected) -> Result<(), Malformed> + 'a;

/// Calls `item` with each message in field 2 of each scope (metrics, log records, spans), and with
/// who sent it.  A resource that names no service rejects `weigh` of each of its items.
pub(super) fn walk(
    body: &[u8],
    encoding: Encoding,
    schema: &'static [Known],
    weigh: fn(&[u8]) -> Result<u64, Malformed>,
    item: &mut Each<'_>,
) -> Result<Rejected, Malformed> {
    let converted;
    let body = match encoding {
        Encoding::Protobuf => body,
        Encoding::Json => {
            converted = schema::binary(body, schema)?;
            &converted
        }
    };
    let mut rejected = Rejected::default();
    for resource in messages(body, 1) {
        let resource = resource?;
        // Fields may stand in any order.
        let described = messages(resource, 1).last().transpose()?.unwrap_or_default();
        let origin = Origin::read(described)?;
        for scope in messages(resource, 2) {
            for found in messages(scope?, 2) {
                match &origin {
                    Ok(origin) => item(origin, found?, &mut rejected)?,
                    Err(why) => rejected.add(weigh(found?)?, why),
                }
            }
        }
    }
    Ok(rejected)
}

/// The messages in one field of a message.
pub(super) fn messages(
    message: &[u8],
    number: u32,
) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::of(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(field.value.bytes()),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// Each item counts once.
pub(super) fn once(_: &[u8]) -> Result<u64, Malformed> {
    Ok(1)
}

/// Whether there is room for one more item; where not, it is rejected.
pub(super) fn has_room(n_items: usize, rejected: &mut Rejected) -> bool {
    if n_items >= ITEMS_MAX {
        rejected.add(1, &format!("one request may hold {ITEMS_MAX} items; send smaller batches"));
        return false;
    }
    true
}
