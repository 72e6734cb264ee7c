//! A service holds every connection of a database, so nobody else gets one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::crew::Crew;
use crate::scenario::Scenario;
use crate::shop;
use crate::stage::{Done, Part, Stage, free_address, until};

/// As many connections as the service may take.
const CONNECTIONS: u32 = 6;

/// Holds every connection that it gets, as a service with a leak does, once it is told to.
const HOLDER: &str = "\
until [ -e go ]; do sleep 0.1; done
rm go
for n in 1 2 3 4 5 6 7 8 9; do
  sleep 600 | $2 -q -h 127.0.0.1 -p $1 -U app postgres &
done
wait
";

/// A small database server of its own.
struct Postgres<'a> {
    stage: &'a Stage,
    port: String,
    psql: String,
    _server: Part,
}

/// A program of the database itself: Debian's wrapper of it in `/usr/bin` picks a version by the name
/// that it is called by, which it does not have where the crew starts it.
fn program(name: &str) -> Option<String> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop()?.to_str().map(str::to_owned)
}

impl<'a> Postgres<'a> {
    fn start(stage: &'a Stage, [server, initdb, psql]: [String; 3]) -> Self {
        let port = free_address().port().to_string();
        // It refuses root, and its user has to get to its folder.
        fs::set_permissions(stage.dir(), fs::Permissions::from_mode(0o711)).unwrap();
        let dir = stage.path("pg");
        fs::create_dir(&dir).unwrap();
        let uid = stage.tool("chown", &["postgres", "pg"]);
        assert_eq!(uid.code, Some(0), "{}", uid.err);
        let user = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
        let data = stage.text("pg/data");
        let init = [&initdb, "-D", &data, "-A", "trust", "-U", "postgres", "--no-sync"];
        let made = stage.tool("setpriv", &[&user[..], &init].concat());
        assert_eq!(made.code, Some(0), "{}", made.err);
        let connections = format!("max_connections={}", CONNECTIONS + 1);
        let socket = format!("unix_socket_directories={}", stage.text("pg"));
        let serve = [
            &server,
            "-D",
            &data,
            "-p",
            &port,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            &socket,
            "-c",
            &connections,
            "-c",
            "superuser_reserved_connections=1",
            "-c",
            "max_wal_senders=0",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=16MB",
        ];
        let server = stage.start_part("setpriv", &[&user[..], &serve].concat());
        let postgres = Self { stage, port, psql, _server: server };
        until("PostgreSQL answers", || {
            (postgres.ask("postgres", "").code == Some(0)).then_some(())
        });
        let app = postgres.ask("postgres", "CREATE ROLE app LOGIN");
        assert_eq!(app.code, Some(0), "{}", app.err);
        postgres
    }

    fn ask(&self, user: &str, query: &str) -> Done {
        let words = ["-h", "127.0.0.1", "-p", &self.port, "-U", user, "-Atc", query, "postgres"];
        self.stage.tool(&self.psql, &words)
    }
}

#[test]
fn the_holder_of_every_connection_is_restarted() {
    let name = "connection pool exhausted: PostgreSQL";
    let Some(mut scenario) = Scenario::as_root(name, &["setpriv", "chown"]) else { return };
    let programs = ["postgres", "initdb", "psql"].map(program);
    let [Some(server), Some(initdb), Some(psql)] = programs else {
        scenario.skip("PostgreSQL is missing");
        return;
    };
    let stage = Stage::new();
    let postgres = Postgres::start(&stage, [server, initdb, psql]);
    let script = stage.write("holder.sh", HOLDER);
    let services = json!({
        "holder": {
            "start": { "argv": ["sh", script, postgres.port, postgres.psql], "dir": stage.dir() },
            "stop_timeout_ms": 2_000, "interval_ms": 250,
        },
        "db": { "checks": [{
            "command": [
                postgres.psql, "-h", "127.0.0.1", "-p", postgres.port, "-U", "app", "-Atc", "SELECT 1",
                "postgres",
            ],
            "expect_output": "^1$", "interval_ms": 400, "timeout_ms": 390,
        }] },
    });
    let playbooks = json!({ "connection_pool_exhausted": {
        "condition": "health_status == 'failing'",
        "actions": [{ "type": "restart_service", "service": "holder" }],
        "verify": "health_status == 'passing'",
    } });
    let crew = Crew::up(&stage, &shop::config(&services, &playbooks, &json!({})));
    crew.until_healthy("db");
    crew.until_healthy("holder");
    let held = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle'";
    let incident = scenario.healed(&crew, ("db", "service_unresponsive"), || {
        stage.write("go", "");
        until("nobody gets a connection", || {
            let refused = postgres.ask("app", "SELECT 1");
            (refused.code != Some(0) && refused.err.contains("remaining connection slots"))
                .then_some(())
        });
    });
    assert_eq!(incident["playbook"], "connection_pool_exhausted");
    assert_eq!(postgres.ask("app", "SELECT 1").out.trim(), "1");
    let still = postgres.ask("postgres", held).out.trim().to_owned();
    assert_eq!(still, "0", "idle connections");
    crew.stop();
    scenario.proven("psql gets a connection; 0 idle ones are held");
}
