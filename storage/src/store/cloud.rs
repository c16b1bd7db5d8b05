//! S3, Azure and Google: how they are opened, how long one request may take and how often it is
//! tried again. Why these numbers: decision 0005.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::{TRIED, hurried};

/// One request, from its connection to the last byte of its answer.
const REQUEST_LONGEST: Duration = Duration::from_secs(25);

/// The part of it in which a connection is made.
const CONNECT_LONGEST: Duration = Duration::from_secs(5);

/// No request is tried again later than this after it was first made.
const AGAIN_WITHIN: Duration = Duration::from_secs(30);

/// The first pause before a further try; the later ones are drawn between it and three times the last.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// More tries than fit into [`AGAIN_WITHIN`] with these pauses: what ends them is the time.
const TRIES: usize = 100;

const _: () = assert!(
    AGAIN_WITHIN.as_secs() + PAUSE_LONGEST.as_secs() + REQUEST_LONGEST.as_secs() <= TRIED.as_secs()
);

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: hurried(PAUSE),
            max_backoff: hurried(PAUSE_LONGEST),
            base: 3.,
        },
        max_retries: TRIES,
        retry_timeout: hurried(AGAIN_WITHIN),
    }
}

/// The store behind a URL, and the path in it that the URL names.
pub(super) fn open(
    name: &'static str,
    url: &Url,
    options: Vec<(String, String)>,
) -> object_store::Result<(Arc<dyn ObjectStore>, Path)> {
    let (scheme, path) = object_store::ObjectStoreScheme::parse(url)?;
    macro_rules! build {
        ($builder:ty) => {{
            let mut builder = <$builder>::new()
                .with_url(url.to_string())
                .with_retry(retries())
                .with_http_connector(Watched(name))
                .with_client_options(
                    ClientOptions::new()
                        .with_timeout(hurried(REQUEST_LONGEST))
                        .with_connect_timeout(hurried(CONNECT_LONGEST)),
                );
            for (key, value) in options {
                builder = builder.with_config(key.parse()?, value);
            }
            builder
        }};
    }
    let store: Arc<dyn ObjectStore> = match scheme {
        object_store::ObjectStoreScheme::AmazonS3 => {
            let builder = build!(object_store::aws::AmazonS3Builder);
            // One object in one request: not every S3 knows the other kind, and it is not tried
            // again when its answer is lost.
            Arc::new(builder.with_disable_bulk_delete(true).build()?)
        }
        object_store::ObjectStoreScheme::MicrosoftAzure => {
            Arc::new(build!(object_store::azure::MicrosoftAzureBuilder).build()?)
        }
        object_store::ObjectStoreScheme::GoogleCloudStorage => {
            Arc::new(build!(object_store::gcp::GoogleCloudStorageBuilder).build()?)
        }
        _ => {
            return Err(object_store::Error::NotSupported {
                source: format!("{url} is none of file:, s3:, az:, gs:").into(),
            });
        }
    };
    Ok((store, path))
}

/// Connections of the store of this name. What fails on them in a way that is tried again is counted
/// (`stemvault_store_retries_total`), the last try of a request that failed in the end included.
#[derive(Debug)]
struct Watched(&'static str);

impl HttpConnector for Watched {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Counting {
            store: self.0,
            inner,
        }))
    }
}

#[derive(Debug)]
struct Counting {
    store: &'static str,
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Counting {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.inner.execute(request).await;
        let reason = match &answer {
            Ok(answer) => match answer.status().as_u16() {
                503 | 429 => Some("slow down"),
                408 => Some("timeout"),
                500.. => Some("server error"),
                _ => None,
            },
            Err(error) => Some(match error.kind() {
                HttpErrorKind::Connect => "no connection",
                HttpErrorKind::Timeout => "timeout",
                _ => "broken off",
            }),
        };
        if let Some(reason) = reason {
            metrics::counter!("stemvault_store_retries_total", "store" => self.store, "reason" => reason)
                .increment(1);
        }
        answer
    }
}
