//! The certificate of a web server is near its end: a real certbot gets a new one from a real ACME
//! server, and the web server shows it.

use std::fs;
use std::net::SocketAddr;

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::crew::Crew;
use crate::nginx;
use crate::private::within;
use crate::scenario::Scenario;
use crate::shop;
use crate::stage::{Part, Stage, free_address, until};

/// Where certbot keeps what it has.
const FOLDERS: [(&str, &str); 3] = [
    ("le/etc", "/etc/letsencrypt"),
    ("le/lib", "/var/lib/letsencrypt"),
    ("le/log", "/var/log/letsencrypt"),
];

const HOUR_SECONDS: u32 = 3_600;
const QUARTER_SECONDS: u32 = 90 * 86_400;

/// An ACME server, and certbot's folders.
struct Authority<'a> {
    stage: &'a Stage,
    address: SocketAddr,
    challenge: SocketAddr,
    server: Option<Part>,
}

impl<'a> Authority<'a> {
    fn new(stage: &'a Stage) -> Self {
        let made = stage.tool(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
                "acme.key",
                "-out",
                "acme.pem",
                "-days",
                "90",
            ],
        );
        assert_eq!(made.code, Some(0), "{}", made.err);
        // What certbot would ask for on its command line.
        stage.write("le/etc/cli.ini", "no-verify-ssl = true\nno-random-sleep-on-renew = true\n");
        Self { stage, address: free_address(), challenge: free_address(), server: None }
    }

    /// Issues certificates of this validity from now on.  Its accounts are new.
    fn issue_for(&mut self, seconds: u32) {
        self.server = None;
        let config = json!({ "pebble": {
            "listenAddress": self.address, "managementListenAddress": free_address(),
            "certificate": self.stage.path("acme.pem"), "privateKey": self.stage.path("acme.key"),
            "httpPort": self.challenge.port(), "tlsPort": free_address().port(),
            "certificateValidityPeriod": seconds,
        } });
        let config = self.stage.write("pebble.json", config.to_string());
        let words = [
            "PEBBLE_VA_NOSLEEP=1",
            "PEBBLE_WFE_NONCEREJECT=0",
            "pebble",
            "-strict=false",
            "-config",
            config.to_str().unwrap(),
        ];
        self.server = Some(self.stage.start_part("env", &words));
        until("pebble listens", || std::net::TcpStream::connect(self.address).ok());
    }

    fn certbot(&self, args: &[&str]) {
        let within = within(self.stage, &FOLDERS);
        let mut words: Vec<&str> = within.iter().skip(1).map(String::as_str).collect();
        let server = format!("https://localhost:{}/dir", self.address.port());
        words.extend([
            "certbot",
            args[0],
            "-n",
            "--agree-tos",
            "--register-unsafely-without-email",
        ]);
        words.extend(["--server", &server]);
        words.extend(&args[1..]);
        let done = self.stage.tool("unshare", &words);
        assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    }

    /// A certificate that ends within the hour; the next one will be good for a quarter.
    fn prepare(&mut self) {
        self.issue_for(HOUR_SECONDS);
        let port = self.challenge.port().to_string();
        self.certbot(&[
            "certonly",
            "--standalone",
            "--http-01-port",
            &port,
            "--http-01-address",
            "127.0.0.1",
            "-d",
            "localhost",
        ]);
        self.issue_for(QUARTER_SECONDS);
        // The other server knows nobody: certbot gets an account there, and takes the only one.
        fs::remove_dir_all(self.stage.path("le/etc/accounts")).unwrap();
        self.certbot(&["register"]);
        let renewal = self.stage.path("le/etc/renewal/localhost.conf");
        let lines = fs::read_to_string(&renewal).unwrap();
        let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("account")).collect();
        fs::write(renewal, lines.join("\n") + "\n").unwrap();
    }
}

/// The certificate that a server shows: its number and its end.
fn shown(stage: &Stage, address: SocketAddr) -> String {
    let client = stage.tool("openssl", &["s_client", "-connect", &address.to_string()]);
    stage.write("shown.pem", client.out);
    let words =
        ["x509", "-in", "shown.pem", "-noout", "-serial", "-enddate", "-dateopt", "iso_8601"];
    let read = stage.tool("openssl", &words);
    assert_eq!(read.code, Some(0), "{}", read.err);
    read.out.trim().replace('\n', " ")
}

/// What a web server does that shows one certificate.
fn showing(stage: &Stage, address: SocketAddr, certificate: &str, key: &str) -> String {
    let dir = stage.dir().display();
    format!(
        "access_log off; server {{ listen {address} ssl; ssl_certificate {dir}/{certificate};
             ssl_certificate_key {dir}/{key}; return 200 ok; }}"
    )
}

#[test]
fn a_certificate_near_its_end_is_renewed_and_the_new_one_is_shown() {
    let name = "certificate near its end: certbot, and nginx shows the new one";
    let needs = ["pebble", "certbot", "nginx", "openssl", "unshare", "env"];
    let Some(mut scenario) = Scenario::as_root(name, &needs) else { return };
    let stage = Stage::new();
    let mut authority = Authority::new(&stage);
    authority.prepare();
    let address = free_address();
    let own = showing(&stage, address, "acme.pem", "acme.key");
    let web = nginx::start(&stage, address, &own);
    let services = json!({ "web": {
        "process": { "pid_file": stage.path("nginx.pid") },
        "interval_ms": 250,
        "reload": "HUP",
        "checks": [{
            "http": format!("https://{address}/"), "interval_ms": 400, "timeout_ms": 390,
        }],
    } });
    let playbooks = json!({ "certificate_expiring": {
        "condition": "ssl_expires_in_days < 3",
        "actions": [
            { "type": "run", "command": "certbot renew --cert-name localhost", "timeout_seconds": 60 },
            { "type": "reload_service", "service": "{service}" },
        ],
        "verify": {
            "metric": "ssl_expires_in_days", "operator": ">", "threshold": 30,
            "consecutive_checks": 3, "interval_ms": 300, "deadline_seconds": 15,
        },
    } });
    // The authority is known to nobody, so no client trusts what it issues.
    let thresholds = json!({ "thresholds": {
        "ssl_expires_in_days": { "warning": 14, "critical": 3, "for": "2 of 2" },
        "health_status": null,
    } });
    let config = shop::config(&services, &playbooks, &thresholds);
    stage.write("nightcrew.json5", config);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let crew = Crew::started(&stage, anywhere, &within(&stage, &FOLDERS));
    until("ready", || crew.get("/readyz").filter(|answer| answer.status == 200));
    let mut before = String::new();
    let incident = scenario.healed(&crew, ("web", "certificate_expiring"), || {
        let live = "le/etc/live/localhost";
        let (chain, key) = (format!("{live}/fullchain.pem"), format!("{live}/privkey.pem"));
        nginx::write(&stage, &showing(&stage, address, &chain, &key));
        let own = shown(&stage, address);
        kill_process(web.pid(), Signal::HUP).unwrap();
        before = until("nginx shows the one that ends soon", || {
            Some(shown(&stage, address)).filter(|now| *now != own)
        });
    });
    assert_eq!(incident["playbook"], "certificate_expiring");
    let after = shown(&stage, address);
    let end = |shown: &str| -> jiff::Timestamp {
        let (_, end) = shown.split_once("notAfter=").unwrap();
        end.trim().replace(' ', "T").parse().unwrap()
    };
    let later = end(&after).duration_since(end(&before));
    assert!(later.as_hours() > 24 * 80, "{before}, {after}");
    crew.stop();
    scenario.proven(&format!(
        "openssl s_client: another serial, valid for {} days more",
        later.as_hours() / 24
    ));
}
