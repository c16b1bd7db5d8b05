//! tus-js-client, unmodified, pointed at an upload link: whole, killed at any byte, stopped and resumed,
//! terminated, and in each of its ways to send a file.

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

/// The whole file in one request, as the client does by default.
const WHOLE: u64 = 1_000_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn four_parts_side_by_side_become_one_file() -> Result<()> {
    let scene = Scene::set().await?;
    scene.in_mode(Client::TusJs, "parallel", WHOLE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_comes_last_is_taken() -> Result<()> {
    let scene = Scene::set().await?;
    scene.in_mode(Client::TusJs, "deferred", 3_000_001).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_brings_the_whole_file() -> Result<()> {
    let scene = Scene::set().await?;
    scene.in_mode(Client::TusJs, "creation", WHOLE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_brings_the_first_piece() -> Result<()> {
    let scene = Scene::set().await?;
    scene.in_mode(Client::TusJs, "creation", 3_000_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_stands_for_a_patch() -> Result<()> {
    let scene = Scene::set().await?;
    scene.in_mode(Client::TusJs, "override", WHOLE).await
}
