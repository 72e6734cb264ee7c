//! Lines from patterns: `{kind}` in a pattern stands for a value that varies.

/// A sequence of numbers that is the same in every run (the generator `splitmix64`).
pub(crate) struct Seeded {
    state: u64,
    /// How many different names of a kind there are at most.
    n_names: usize,
}

impl Seeded {
    pub(crate) fn new(seed: u64, n_names: usize) -> Self {
        Self { state: seed, n_names }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        // The first ones are the most frequent, as names are in life.
        let n = all.len().min(self.n_names) as u64;
        let place = self.below(n).min(self.below(n));
        all[place as usize]
    }
}

const USERS: &[&str] = &[
    "root",
    "admin",
    "cyrus",
    "test",
    "oracle",
    "webmaster",
    "news",
    "guest",
    "pgsql",
    "nagios",
    "support",
    "ftpuser",
    "john.smith",
    "backup-user",
    "deploy",
    "0101",
    "user1",
    "김철수",
];
const HOSTS: &[&str] = &[
    "frodo",
    "gandalf",
    "db-1",
    "cache7",
    "combo",
    "LabSZ",
    "node-12",
    "storage442",
    "mesos-2",
    "pippin",
    "msra-sa-41",
    "alderaan",
];
const PROGRAMS: &[&str] =
    &["cupsd", "hcid", "sdpd", "syslogd", "klogd", "rpc.statd", "xinetd", "portmap", "crond"];
const CLASSES: &[&str] = &[
    "org.apache.hadoop.mapreduce.JobEvent",
    "com.example.shop.cart.CartService",
    "java.util.concurrent.ThreadPool",
    "io.netty.channel.nio.NioEventLoop",
    "org.apache.spark.rdd.HadoopRDD",
];
const IDENTIFIERS: &[&str] = &[
    "CartService",
    "TaskRunner",
    "BlockManagerMaster",
    "WindowStateAnimator",
    "JobHistoryHandler",
    "sparkDriver",
    "ContainerLauncher",
    "FetchWorker",
];
const PATHS: &[&str] = &[
    "/etc/httpd/conf/workers2.properties",
    "/var/log/messages",
    "/mnt/data/job_12/part-0001",
    "/usr/lib/x86/libfoo.so.1",
    "/home/frodo/.ssh/authorized_keys",
    "/tmp/x",
    "/bin/sh",
];

/// A line of a pattern.
pub(crate) fn fill(pattern: &str, seeded: &mut Seeded) -> String {
    let mut line = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        line.push_str(before);
        let Some((kind, after)) = after.split_once('}') else { break };
        match kind.split_once(':') {
            Some(("list", kind)) => {
                let values = 1 + seeded.below(4);
                let values: Vec<String> = (0..values).map(|_| value(kind, seeded)).collect();
                line.push_str(&values.join(" "));
            }
            Some(("commas", kind)) => {
                let values = 1 + seeded.below(4);
                let values: Vec<String> = (0..values).map(|_| value(kind, seeded)).collect();
                line.push_str(&values.join(", "));
            }
            Some(("either", words)) => {
                let words: Vec<&str> = words.split('|').collect();
                line.push_str(seeded.one_of(&words));
            }
            _ => line.push_str(&value(kind, seeded)),
        }
        rest = after;
    }
    line.push_str(rest);
    line.replace("((", "{").replace("))", "}")
}

fn value(kind: &str, seeded: &mut Seeded) -> String {
    let octets = [seeded.below(250), seeded.below(250), seeded.below(250)];
    let ip = format!("10.{}.{}.{}", octets[0], octets[1], octets[2]);
    match kind {
        "n" => match seeded.below(3) {
            0 => seeded.below(10).to_string(),
            1 => seeded.below(1_000).to_string(),
            _ => seeded.below(10_000_000).to_string(),
        },
        "signed" => format!("{}", seeded.next() as i32),
        "float" => format!("{}.{}", seeded.below(100), seeded.below(1_000)),
        "hex" => format!("{:016x}", seeded.next()),
        "0x" => format!("0x{:x}", seeded.next()),
        "ip" => ip,
        "ipport" => format!("{ip}:{}", seeded.below(65_536)),
        "blk" => format!("blk_{}", seeded.next() as i64),
        "uuid" => format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            seeded.below(1 << 32),
            seeded.below(1 << 16),
            seeded.below(1 << 12),
            seeded.below(1 << 12),
            seeded.below(1 << 48)
        ),
        "user" => seeded.one_of(USERS).to_owned(),
        "host" => seeded.one_of(HOSTS).to_owned(),
        "fqdn" => format!("{}.example.com", seeded.one_of(HOSTS)),
        "program" => seeded.one_of(PROGRAMS).to_owned(),
        "class" => seeded.one_of(CLASSES).to_owned(),
        "identifier" => seeded.one_of(IDENTIFIERS).to_owned(),
        "path" => seeded.one_of(PATHS).to_owned(),
        "bool" => seeded.one_of(&["true", "false"]).to_owned(),
        "size" => match seeded.below(2) {
            0 => format!("{}.{} KB", seeded.below(900), seeded.below(10)),
            _ => format!("{} B", seeded.below(900)),
        },
        "gloss" => match seeded.below(2) {
            0 => String::new(),
            _ => format!(" ({}.{} KB)", seeded.below(900), seeded.below(10)),
        },
        "life" => match seeded.below(2) {
            0 => "<1 sec".to_owned(),
            _ => format!("{:02}:{:02}", seeded.below(60), seeded.below(60)),
        },
        "date" => format!("Sun Jul {} 02:{}:22 2005", seeded.below(30), seeded.below(60)),
        "mac" => format!("00:11:43:e3:{:02x}:{:02x}", seeded.below(256), seeded.below(256)),
        "dump" => format!("Window((%x u0 com.example.app/.ui.Main t{}))", seeded.below(9_000))
            .replace("%x", &format!("{:x}", seeded.below(1 << 28))),
        other => panic!("no value is called {other}"),
    }
}
