//! What a kind of message looks like where there are pictures and colours.

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::severity::Severity;

/// The picture before the title.
pub(crate) fn sign(kind: NotificationKind) -> char {
    match kind {
        NotificationKind::Escalated => '🚨',
        NotificationKind::Resolved => '✅',
        NotificationKind::ApprovalWanted => '✋',
        NotificationKind::ApprovalEnded => '🤝',
        NotificationKind::Firing => '🔥',
        NotificationKind::Acknowledged => '👀',
        NotificationKind::Digest => '🌊',
        NotificationKind::AllClear => '💚',
        NotificationKind::Test => '🔔',
    }
}

/// Red, orange or blue for what needs a person, violet for what waits for a yes or a no, green for
/// what is over.
pub(crate) fn colour(kind: NotificationKind, severity: Severity) -> u32 {
    use NotificationKind as Kind;
    match (kind, severity) {
        (Kind::Resolved | Kind::AllClear, _) => 0x2e_a0_43,
        (Kind::ApprovalWanted, _) => 0xa3_71_f7,
        (Kind::Escalated | Kind::Firing | Kind::Digest, Severity::Critical) => 0xd7_2b_3f,
        (Kind::Escalated | Kind::Firing | Kind::Digest, Severity::Warning) => 0xe3_83_1f,
        (Kind::Escalated | Kind::Firing | Kind::Digest, Severity::Info)
        | (Kind::ApprovalEnded | Kind::Acknowledged | Kind::Test, _) => 0x2f_81_f7,
    }
}
