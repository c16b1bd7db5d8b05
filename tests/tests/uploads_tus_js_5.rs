//! tus-js-client 5 as it stands before its release, unmodified, in all it speaks: tus 1.0 and two
//! drafts of the IETF. The scenes are those of the others, and what only it can do.

use anyhow::Result;
use stemvault_tests::clients::{Client, Protocol};
use stemvault_tests::scenes::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn whole_files_arrive() -> Result<()> {
    for protocol in Protocol::ALL {
        Scene::set().await?.whole(Client::TusJs5(protocol)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_loses_no_byte_it_had_sent() -> Result<()> {
    for protocol in Protocol::ALL {
        Scene::set().await?.killed(Client::TusJs5(protocol)).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_client_resumes() -> Result<()> {
    for protocol in Protocol::ALL {
        Scene::set()
            .await?
            .stopped(Client::TusJs5(protocol))
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_sending_works() -> Result<()> {
    for protocol in [Protocol::Draft03, Protocol::Draft05] {
        for mode in ["creation", "deferred", "override"] {
            let scene = Scene::set().await?;
            scene
                .in_mode(Client::TusJs5(protocol), mode, 3_000_001)
                .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_upload_is_gone() -> Result<()> {
    for protocol in Protocol::ALL {
        Scene::set()
            .await?
            .terminated(Client::TusJs5(protocol))
            .await?;
    }
    Ok(())
}
