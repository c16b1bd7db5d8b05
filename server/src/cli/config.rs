//! `stemvault config`: the settings in force with where each comes from, or all that is wrong.

use stemvault_config::{Overrides, Settings};

use super::serve::SettingsArgs;
use super::table::print;

/// What to do with the settings.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ConfigCommand {
    /// Say which settings are in force and where each comes from, or everything that is wrong (no
    /// server needed)
    Check(SettingsArgs),
    /// Print a settings file with every setting, its default and what it is for (no server needed)
    Sample,
}

/// Runs the command.
///
/// # Errors
/// All problems of the settings.
pub fn run(command: ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Sample => print(Settings::sample()),
        ConfigCommand::Check(args) => {
            let settings = args.load(Overrides::default())?;
            let lines = settings.describe().iter().map(ToString::to_string);
            print(&lines.collect::<Vec<_>>().join("\n"))
        }
    }
}
