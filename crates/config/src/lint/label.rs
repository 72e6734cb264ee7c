//! Names of labels that look like a slip.

/// Labels that alerts commonly carry.
const COMMON: [&str; 37] = [
    "alertname",
    "alertgroup",
    "app",
    "application",
    "availability_zone",
    "cluster",
    "component",
    "container",
    "customer",
    "datacenter",
    "deployment",
    "device",
    "endpoint",
    "env",
    "environment",
    "fstype",
    "group",
    "host",
    "hostname",
    "instance",
    "job",
    "mountpoint",
    "namespace",
    "node",
    "owner",
    "pod",
    "priority",
    "product",
    "region",
    "resource",
    "service",
    "service_name",
    "severity",
    "symptom",
    "symptom_type",
    "team",
    "zone",
];

/// Names from so many characters on may differ in two.
const LONG_CHARS: usize = 8;

/// The label that was probably meant; none where the name is known, or like nothing known.
pub(crate) fn slip<'a>(name: &str, also: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = COMMON.into_iter().chain(also).collect();
    if known.contains(&name) {
        return None;
    }
    let allowed = if name.chars().count() >= LONG_CHARS { 2 } else { 1 };
    let folded = name.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|label| (strsim::damerau_levenshtein(&folded, &label.to_lowercase()), label))
        .filter(|(distance, label)| *distance <= allowed && label.chars().count() > 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_slip_from_a_label_of_ones_own() {
        let meant = |name| slip(name, ["결제선"].into_iter());
        for (name, expected) in [
            ("alertname", None),
            ("alert_name", Some("alertname")),
            ("alretname", Some("alertname")),
            ("Service", Some("service")),
            ("severty", Some("severity")),
            ("symptomtype", Some("symptom_type")),
            ("symptom-type", Some("symptom_type")),
            ("결제서", Some("결제선")),
            ("tenant", None),
            ("shard", None),
            ("dc", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
