//! tus-js-client, unmodified, pointed at an upload link: whole, killed at any byte, stopped and resumed,
//! terminated.

use anyhow::Result;
use stemvault_tests::clients::Client;
use stemvault_tests::scenes::Scene;
use stemvault_tests::studio::Stores;

#[tokio::test(flavor = "multi_thread")]
async fn whole_files_arrive() -> Result<()> {
    Scene::set().await?.whole(Client::TusJs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_loses_no_byte_it_had_sent() -> Result<()> {
    Scene::set().await?.killed(Client::TusJs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_loses_no_byte_on_s3() -> Result<()> {
    Scene::set_on(Stores::S3).await?.killed(Client::TusJs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_client_resumes() -> Result<()> {
    Scene::set().await?.stopped(Client::TusJs).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_upload_is_gone() -> Result<()> {
    Scene::set().await?.terminated(Client::TusJs).await
}
