//! HTTP checks of ports where something else is spoken.

use crate::decode::SeenCheck;
use crate::problem::Report;
use crate::settings::Probe;
use crate::web;

/// Well-known ports that do not speak HTTP, and who speaks there.
const PORTS: [(u16, &str); 19] = [
    (22, "SSH"),
    (25, "SMTP"),
    (53, "DNS"),
    (389, "LDAP"),
    (587, "SMTP"),
    (1433, "SQL Server"),
    (1521, "Oracle"),
    (2181, "ZooKeeper"),
    (3306, "MySQL"),
    (4222, "NATS"),
    (5432, "PostgreSQL"),
    (5671, "RabbitMQ"),
    (5672, "RabbitMQ"),
    (6379, "Redis"),
    (6432, "PgBouncer"),
    (9042, "Cassandra"),
    (9092, "Kafka"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

/// Judges every HTTP check by its port.
pub(crate) fn check(checks: &[SeenCheck], report: &mut Report) {
    for seen in checks {
        let Probe::Http { url, .. } = &seen.probe else {
            continue;
        };
        let Ok(url) = web::http_url(url) else {
            continue;
        };
        let port = url.port_or_default();
        let Some((_, who)) = PORTS.iter().find(|(known, _)| *known == port) else {
            continue;
        };
        let host = if url.host.contains(':') { format!("[{}]", url.host) } else { url.host };
        report
            .warning(
                seen.place.clone(),
                format!(
                    "port {port} is {who}'s, which does not speak HTTP, so the check will fail"
                ),
            )
            .hint(format!("check it with {{ tcp: \"{host}:{port}\" }}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Place;
    use crate::text::{Files, Span};

    fn said(url: &str) -> String {
        let mut files = Files::default();
        let file = files.add("f".into(), String::new());
        let mut report = Report::default();
        let seen = SeenCheck {
            service: "db".into(),
            probe: Probe::Http { url: url.into(), expect_status: Vec::new(), expect_body: None },
            place: Place::new(Span::top(file), "k"),
        };
        check(&[seen], &mut report);
        let problems = report.into_problems(&files);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn databases_do_not_speak_http() {
        let cases = [
            ("http://localhost:5432/health", "PostgreSQL's"),
            ("http://localhost:5432/health", "{ tcp: \"localhost:5432\" }"),
            ("http://[::1]:6379/", "{ tcp: \"[::1]:6379\" }"),
            ("http://mq:5672", "RabbitMQ's"),
        ];
        for (url, expected) in cases {
            assert!(said(url).contains(expected), "{url}: {}", said(url));
        }
        for url in ["http://localhost:8080/health", "https://localhost/"] {
            assert_eq!(said(url), "", "{url}");
        }
    }
}
