//! `stemvault serve`, and the flags of every command that reads the settings itself.

use std::path::PathBuf;

use stemvault_config::{Origin, Overrides, Settings, process_environment};

use crate::serve::{How, serve};

/// Where the settings come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SettingsArgs {
    /// The settings file; <data-dir>/stemvault.toml if there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder of everything; ~/.local/share/stemvault if nobody says otherwise
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl SettingsArgs {
    /// The settings in force, with `flags` over everything.
    ///
    /// # Errors
    /// All problems at once.
    pub fn load(&self, flags: Overrides) -> anyhow::Result<Settings> {
        let flags = match &self.data_dir {
            Some(folder) => {
                let folder = std::path::absolute(folder)?;
                flags.with("--data-dir", "data_dir", folder.to_string_lossy())
            }
            None => flags,
        };
        Ok(Settings::load(
            self.config.as_deref(),
            process_environment(),
            &flags,
        )?)
    }
}

/// Run the server, on this machine
///
/// The first start needs no settings: it makes what is missing, and says what it made, what must be
/// kept safe and what to type next. SIGTERM, SIGHUP or Ctrl-C ends it in order.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Where the settings are
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// An address and port to listen on, as in 0.0.0.0:8443; may be said several times
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// Let `stemvault clock` move the clock: for demonstrations, in a data directory of its own
    #[arg(long)]
    pub demo_clock: bool,
    /// How log lines are written
    #[arg(long, value_name = "FORMAT", value_parser = ["human", "json"])]
    pub log_format: Option<String>,
}

/// Runs the server until it is told to end.
///
/// # Errors
/// When it cannot start.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let mut flags = Overrides::default();
    if !args.listen.is_empty() {
        flags = flags.with("--listen", "server.listen", args.listen.join(","));
    }
    if let Some(format) = args.log_format {
        flags = flags.with("--log-format", "log.format", format);
    }
    let settings = args.settings.load(flags)?;
    let from_file = |origin: &Origin| matches!(origin, Origin::File { .. });
    let how = How {
        demo_clock: args.demo_clock,
        configured: args.settings.config.is_some()
            || settings
                .describe()
                .iter()
                .any(|setting| from_file(&setting.origin)),
    };
    serve(settings, how).await
}
