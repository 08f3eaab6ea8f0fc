//! Requests to an MLflow server (REST API 2.0).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use serde_json::Value;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A server, with what it asks of those who may write to it.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    address: String,
    authorization: Option<String>,
}

/// Why a request failed.
#[derive(Debug)]
pub enum Failure {
    /// The server does not answer, or asks to come again.
    Unavailable(String),
    /// There is no such thing.
    NotFound,
    /// The server understood, and will not do it however often it is asked.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) | Self::Refused(why) => formatter.write_str(why),
            Self::NotFound => formatter.write_str("not found"),
        }
    }
}

impl Client {
    /// A client of the server at `address`. Like MLflow's own clients it reads
    /// `MLFLOW_TRACKING_TOKEN`, or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
    pub fn new(address: &str) -> Self {
        // Trusts whom the system trusts, or the file that SSL_CERT_FILE names.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let user = variable("MLFLOW_TRACKING_USERNAME");
        let basic = user.map(|user| {
            let password = variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        });
        let token = variable("MLFLOW_TRACKING_TOKEN").map(|token| format!("Bearer {token}"));
        Self {
            agent: config.into(),
            address: address.to_owned(),
            authorization: basic.or(token),
        }
    }

    /// Asks for something.
    pub fn get(&self, path: &str, (key, value): (&str, &str)) -> Result<Value, Failure> {
        let mut request = self.agent.get(self.url(path)).query(key, value);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        answer(path, request.call())
    }

    /// Tells something.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut request = self.agent.post(self.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let request = request.content_type("application/json");
        answer(path, request.send(body.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/2.0/mlflow/{path}", self.address)
    }
}

fn answer(
    path: &str,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, Failure> {
    let unavailable = |error: ureq::Error| Failure::Unavailable(error.to_string());
    let mut response = response.map_err(unavailable)?;
    let status = response.status();
    let text = response.body_mut().read_to_string().map_err(unavailable)?;
    if status.is_success() {
        return serde_json::from_str(&text)
            .map_err(|_| Failure::Refused(format!("the answer to {path} is not MLflow's")));
    }
    let message = serde_json::from_str::<Value>(&text).ok();
    let message = message.and_then(|value| Some(value.get("message")?.as_str()?.to_owned()));
    let message = format!("{path}: {status}: {}", message.unwrap_or_default());
    Err(match status.as_u16() {
        404 => Failure::NotFound,
        429 | 500.. => Failure::Unavailable(message),
        _ => Failure::Refused(message),
    })
}
