//! The list of settings: key, meaning, syntax, range and default, each said once.
//!
//! A section is a struct and its fields are its keys; `section!` makes the reading from the same
//! lines. Adding a field here adds a setting, and `sample_tests.rs` fails until the sample
//! explains it. The data folder, the stores and the keys are read elsewhere (`settings.rs`,
//! `store.rs`, `keys.rs`), because their defaults depend on where the data lies.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use ipnet::IpNet;
use url::Url;

use crate::kind::{
    Addresses, Choice, Count, Cron, CronKind, Days, LogFormat, LogLevel, Months, Networks,
    NumberExample, NumberPattern, Optional, Origins, PatternKind, PlainAddresses, PublicUrl, Rule,
    Severity, TimeZone, WholePath, Words, days, months, size, span,
};
use crate::reader::Reader;

/// Declares a section: `/// meaning` `key: Type = "default" as kind;`, then the sections in it.
macro_rules! section {
    ($(#[$about:meta])* $name:ident in $section:literal {
        $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:literal as $kind:expr;)+
    } $(with { $($(#[doc = $inner_doc:literal])+ $inner:ident: $inner_type:ident;)+ })?) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $key: $type,)+
            $($($(#[doc = $inner_doc])+ pub $inner: $inner_type,)+)?
        }

        impl $name {
            pub(crate) fn read(reader: &mut Reader) -> Self {
                Self {
                    $($key: reader.value(
                        concat!($section, ".", stringify!($key)),
                        concat!($($doc),+),
                        &$kind,
                        $default,
                    ),)+
                    $($($inner: $inner_type::read(reader),)+)?
                }
            }
        }
    };
}

section! {
    /// How the server is reached.
    Server in "server" {
        /// Addresses and ports to listen on, always with TLS; at least one.
        listen: Vec<SocketAddr> = "127.0.0.1:8443" as Addresses;
        /// The https address that clients see; links begin with it. None: the first of `listen`.
        public_url: Option<Url> = "" as Optional(PublicUrl);
        /// Addresses and ports of this machine for a proxy on it that speaks plain HTTP to us.
        plain_http: Vec<SocketAddr> = "" as PlainAddresses;
        /// Origins of other web pages whose scripts may upload and download here.
        cors_origins: Vec<String> = "" as Origins;
        /// Certificate chain, a PEM file. None: a self-signed one is made on first start.
        certificate: Option<PathBuf> = "" as Optional(WholePath("/etc/stemvault/cert.pem"));
        /// Private key of the certificate, a PEM file; set exactly if `certificate` is.
        private_key: Option<PathBuf> = "" as Optional(WholePath("/etc/stemvault/key.pem"));
        /// How long a client may take for the headers of a request; 1 s to 10 min.
        header_timeout: Duration = "15 s" as span("s", "1 s", "10 min");
        /// How long a body may stand still before the connection is closed; 1 s to 1 h.
        idle_timeout: Duration = "60 s" as span("s", "1 s", "1 h");
        /// How long requests under way may go on after a stop was asked for; 1 s to 10 min.
        shutdown_timeout: Duration = "30 s" as span("s", "1 s", "10 min");
        /// Connections open at once; more have to wait.
        max_connections: usize = "1024" as Count { from: 1, to: 1_000_000 };
        /// Addresses or networks of proxies whose X-Forwarded-For says who a client is.
        trusted_proxies: Vec<IpNet> = "" as Networks;
        /// Links and tokens that open nothing which one address may try in `wrong_tries_within`
        /// before it is told to wait; 1 to 1,000,000.
        wrong_tries: u32 = "10" as Count { from: 1, to: 1_000_000 };
        /// The span of `wrong_tries`; 1 s to 24 h.
        wrong_tries_within: Duration = "15 min" as span("min", "1 s", "24 h");
    }
}

section! {
    /// What the server writes about itself.
    Log in "log" {
        /// `human` for eyes, `json` for machines.
        format: LogFormat = "human" as Choice::LOG_FORMAT;
        /// Least important level that is written; also per part, as in `info,stemvault=debug`.
        level: String = "info" as LogLevel;
    }
}

section! {
    /// Order numbers and what comes with an order.
    Orders in "orders" {
        /// Regular expression that a whole order number matches.
        number_pattern: NumberPattern = "[0-9]{4}-[0-9]{4}" as PatternKind;
        /// An order number as this studio writes them, shown in refusals; matches the pattern.
        number_example: String = "2026-0117" as NumberExample;
        /// The studio's time zone (IANA name): months, cron times and dates in mails.
        time_zone: Tz = "UTC" as TimeZone;
        /// Names that the metadata of every upload must have, beside order and file name.
        required_metadata: Vec<String> = "" as Words("[\"artist\", \"song\"]");
        /// Names that the form must have when a session is submitted; the upload page asks for song,
        /// artist, notes, credits, isrc, tempo, key, and for other names in this list.
        required_form: Vec<String> = "" as Words("[\"artist\", \"song\"]");
    }
}

section! {
    /// How much free space uploads must leave.
    FreeDiskFloor in "uploads.free_disk_floor" {
        /// Bytes of the disk that stay free.
        bytes: u64 = "20 GB" as size("GB", "0 B", "1000 TB");
        /// Percent of the disk that stay free; 0 to 90.
        percent: u8 = "5" as Count { from: 0, to: 90 };
    }
}

impl FreeDiskFloor {
    /// The free bytes below which a disk of `total` bytes takes no more uploads: the larger of
    /// both settings.
    #[must_use]
    pub fn of(&self, total: u64) -> u64 {
        let share = u128::from(total) * u128::from(self.percent) / 100;
        u64::try_from(share).unwrap_or(u64::MAX).max(self.bytes)
    }
}

section! {
    /// Limits of uploads.
    Uploads in "uploads" {
        /// Bytes in one file, at most; no more than `max_order`.
        max_file: u64 = "100 GB" as size("GB", "1 B", "100 TB");
        /// Bytes in all files of one order, at most.
        max_order: u64 = "200 GB" as size("GB", "1 B", "1000 TB");
        /// Files in one order, at most; 1 to 1,000,000.
        max_files: u32 = "20000" as Count { from: 1, to: 1_000_000 };
        /// Bytes that come by one upload link, at most, unless it was made for less. None: only
        /// the order's own limit.
        max_link: Option<u64> = "" as Optional(size("GB", "1 B", "1000 TB"));
        /// Files that come by one upload link, at most. None: only the order's own limit.
        max_link_files: Option<u32> = "" as Optional(Count { from: 1, to: 1_000_000 });
        /// Unfinished uploads of one upload link, at most, without those that come whole in the
        /// request that creates them; 1 to 1,000,000.
        max_open: u32 = "16" as Count { from: 1, to: 1_000_000 };
        /// Unfinished uploads of all orders, at most; 1 to 1,000,000.
        max_open_total: u32 = "20000" as Count { from: 1, to: 1_000_000 };
        /// Bytes of the unfinished uploads of all orders, at most.
        max_unfinished: u64 = "20 TB" as size("TB", "1 B", "100000 TB");
        /// Uploads that one link may begin in a minute; 1 to 1,000,000.
        max_new_per_minute: u32 = "60000" as Count { from: 1, to: 1_000_000 };
        /// How long an unfinished upload may stand still before it goes; 1 min to 365 days.
        expire_after: Duration = "14 days" as span("days", "1 min", "365 days");
        /// Bytes of upload bodies held in memory at once, for all clients; 16 MiB to 1 TB.
        memory: u64 = "256 MiB" as size("MiB", "16 MiB", "1 TB");
    } with {
        /// Free space that uploads must leave.
        free_disk_floor: FreeDiskFloor;
    }
}

section! {
    /// Limits of downloads.
    Downloads in "downloads" {
        /// Bytes that were read for downloads and are not taken yet, at once, for all clients; one
        /// link has a quarter of it; 32 MiB to 1 TB.
        memory: u64 = "256 MiB" as size("MiB", "32 MiB", "1 TB");
    }
}

section! {
    /// What is kept how long, and what makes a deletion run stop and ask.
    Retention in "retention" {
        /// Days from completion until the working files may go; 1 to 3650.
        working_kept: Days = "90 days" as days("1 day", "3650 days");
        /// Calendar months from completion until the archive goes; 1 to 600, not before the
        /// working files.
        archive_kept: Months = "24 months" as months("1 month", "600 months");
        /// Days that a recall lasts unless it is asked for longer; 1 to 365.
        recall_kept: Days = "14 days" as days("1 day", "365 days");
        /// Orders that one run may delete without asking, or `brake_percent` if that is more.
        brake_orders: u32 = "5" as Count { from: 1, to: 1_000_000 };
        /// Percent of all orders or bytes that one run may delete without asking; 1 to 100.
        brake_percent: u8 = "20" as Count { from: 1, to: 100 };
        /// Percent of an archive's blocks that are read again before its working files go; 1 to 100.
        release_sample_percent: u8 = "5" as Count { from: 1, to: 100 };
        /// Blocks of each session that are read then at least; an archive of no more is read whole.
        release_sample_blocks: u32 = "64" as Count { from: 1, to: 1_000_000 };
        /// A jump of the clock longer than this stops deletion until someone accepts it; 1 min to
        /// 30 days.
        clock_jump: Duration = "1 h" as span("h", "1 min", "30 days");
    }
}

section! {
    /// How much of the archives the monthly proof reads.
    Prove in "prove" {
        /// Percent of the blocks of each session that are read; 1 to 100.
        sample_percent: u8 = "5" as Count { from: 1, to: 100 };
        /// Blocks of each session that are read at least; 1 to 1,000,000.
        sample_blocks: u32 = "20" as Count { from: 1, to: 1_000_000 };
        /// Days after which an archive that was not read whole since is read whole; 1 to 3650.
        whole_within: Days = "180 days" as days("1 day", "3650 days");
    }
}

section! {
    /// What archiving may take, so that uploads and downloads do not feel it.
    Archive in "archive" {
        /// Blocks that are compressed, or decoded to compare them, at once; 1 to 1024. None: half of
        /// the processor's cores. Each takes some 20 MB of memory.
        threads: Option<usize> = "" as Optional(Count { from: 1, to: 1024 });
        /// Bytes a second that are read and written for the archive, together. None: as fast as it
        /// goes.
        bandwidth: Option<u64> = "" as Optional(size("MB", "1 MB", "1 TB"));
    }
}

section! {
    /// When the jobs run, in studio time.
    Jobs in "jobs" {
        /// Writes a sealed snapshot of the catalog into the working store.
        snapshot: Cron = "0 1 * * *" as CronKind;
        /// Archives completed orders and proves that they can be recalled.
        archive: Cron = "0 * * * *" as CronKind;
        /// Removes unfinished uploads that stood still too long.
        expire: Cron = "30 2 * * *" as CronKind;
        /// Removes what crashes and interrupted uploads left behind.
        sweep: Cron = "0 3 * * *" as CronKind;
        /// Deletes working files that are due.
        release: Cron = "30 3 * * *" as CronKind;
        /// Deletes archives that are due, and their keys.
        purge: Cron = "0 4 * * *" as CronKind;
        /// Ends recalls that are over.
        end_recall: Cron = "15 * * * *" as CronKind;
        /// Copies what is new to the mirror, if there is one.
        mirror: Cron = "45 * * * *" as CronKind;
        /// Reads a sample of every archive again.
        prove: Cron = "0 5 * * SUN#1" as CronKind;
    }
}

/// Which files are fit to be submitted.
#[derive(Debug, Clone)]
pub struct Intake {
    /// What happens when a rule is broken; holds every [`Rule`].
    pub rules: BTreeMap<Rule, Severity>,
}

impl Intake {
    /// What happens when `rule` is broken.
    #[must_use]
    pub fn severity(&self, rule: Rule) -> Severity {
        self.rules.get(&rule).copied().unwrap_or(Severity::Refuse)
    }

    pub(crate) fn read(reader: &mut Reader) -> Self {
        let rules = Rule::ALL.map(|rule| {
            let (default, about) = match rule {
                Rule::UnreadableAudio => {
                    ("refuse", "A file named as audio does not open as audio.")
                }
                Rule::Truncated => ("refuse", "A file ends before its header says."),
                Rule::EmptyFile => ("refuse", "A file has no bytes."),
                Rule::NameMismatch => ("warn", "A file is of another format than its name says."),
                Rule::LossyFormat => ("warn", "A file is in a lossy format, MP3 for example."),
                Rule::MixedSampleRates => ("warn", "The files have different sample rates."),
                Rule::MixedBitDepths => ("warn", "The files have different bit depths."),
                Rule::OddHeader => (
                    "warn",
                    "A header says something odd, and programs play the file all the same.",
                ),
                Rule::Placeholder => (
                    "refuse",
                    "A file stands for another: in a cloud, half a download, a shortcut.",
                ),
                Rule::Names => (
                    "warn",
                    "A name is one that Windows or a Mac does not take, alone or beside another.",
                ),
            };
            let key = format!("intake.{rule}");
            (rule, reader.value(&key, about, &Choice::SEVERITY, default))
        });
        Self {
            rules: BTreeMap::from(rules),
        }
    }
}
