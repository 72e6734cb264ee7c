//! `/proc/PID/stat`, read as `proc_pid_stat(5)` says.

/// What the kernel tells of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its name, at most 15 bytes; it may hold spaces and parentheses, and may be cut inside a
    /// character.
    pub comm: Vec<u8>,
    /// Its state: `R`, `S`, `D`, `T`, `Z`, `X` and so on.
    pub state: char,
    /// The number of its parent; 0 where it has none here.
    pub parent: i32,
    /// How long it ran in its own code, in clock ticks.
    pub user_ticks: u64,
    /// How long the kernel worked for it, in clock ticks.
    pub system_ticks: u64,
    /// How many threads it has left.
    pub threads: u64,
    /// When it began, in clock ticks since the start of the machine.
    pub start_ticks: u64,
    /// How much of it is in memory, in pages.
    pub resident_pages: u64,
}

/// The field that is missing or not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no usable field `{0}`")]
pub struct BadStat(pub &'static str);

impl Stat {
    /// Reads the file's content.
    ///
    /// # Errors
    /// When a field is missing or not a number.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadStat> {
        // The name is whatever the process called itself, parentheses included; only the last `)`
        // of the line is surely the kernel's.
        let open = bytes.iter().position(|&byte| byte == b'(');
        let close = bytes.iter().rposition(|&byte| byte == b')');
        let (open, close) = open.zip(close).ok_or(BadStat("comm"))?;
        let comm = bytes.get(open + 1..close).ok_or(BadStat("comm"))?;
        let tail = String::from_utf8_lossy(bytes.get(close + 1..).unwrap_or_default());
        // Field 3, the state, is the first of these.
        let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let count = |number: usize, name| {
            let parsed = field(number).and_then(|text| text.parse::<u64>().ok());
            parsed.ok_or(BadStat(name))
        };
        Ok(Self {
            comm: comm.to_vec(),
            state: field(3).and_then(|text| text.chars().next()).ok_or(BadStat("state"))?,
            parent: field(4).and_then(|text| text.parse().ok()).ok_or(BadStat("ppid"))?,
            user_ticks: count(14, "utime")?,
            system_ticks: count(15, "stime")?,
            threads: count(20, "num_threads")?,
            start_ticks: count(22, "starttime")?,
            resident_pages: count(24, "rss")?,
        })
    }

    /// Whether it lives.  A process whose first thread has ended shows as a zombie while its other
    /// threads go on: that one lives.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        match self.state {
            'Z' => self.threads > 1,
            'X' | 'x' => false,
            _ => true,
        }
    }
}
