//! tus-java-client, unmodified, pointed at an upload link: whole, in pieces, stopped and resumed, killed.
//! It sends POST with X-HTTP-Method-Override, chunked, and waits for 100-continue. Not in every run,
//! as it wants Java and Maven: `./tests/run long`.

use anyhow::Result;
use stemvault_tests::clients::Client;
use stemvault_tests::scenes::Scene;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn whole_files_arrive() -> Result<()> {
    Scene::set().await?.whole(Client::TusJava).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn a_stopped_client_resumes() -> Result<()> {
    Scene::set().await?.stopped(Client::TusJava).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "./tests/run long"]
async fn a_killed_client_goes_on_where_it_was() -> Result<()> {
    Scene::set().await?.killed_somewhere(Client::TusJava).await
}
