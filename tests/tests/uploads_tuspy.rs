//! tuspy, unmodified, pointed at an upload link: whole, killed at any byte, stopped and resumed,
//! terminated.

use anyhow::Result;
use stemvault_tests::clients::Client;
use stemvault_tests::scenes::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn whole_files_arrive() -> Result<()> {
    Scene::set().await?.whole(Client::Tuspy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_client_loses_no_byte_it_had_sent() -> Result<()> {
    Scene::set().await?.killed(Client::Tuspy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_client_resumes() -> Result<()> {
    Scene::set().await?.stopped(Client::Tuspy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_upload_is_gone() -> Result<()> {
    Scene::set().await?.terminated(Client::Tuspy).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_piece_has_a_checksum() -> Result<()> {
    Scene::set().await?.checked(Client::Tuspy).await
}
