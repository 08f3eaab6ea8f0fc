//! Which trackers a user asked for.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// What MLflow's own clients call the server's address.
const MLFLOW_SERVER: &str = "MLFLOW_TRACKING_URI";
/// What they call the experiment.
const MLFLOW_EXPERIMENT: &str = "MLFLOW_EXPERIMENT_NAME";

/// A tracker, as `--tracker` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrackerChoice {
    /// Event files in the run folder.
    TensorBoard,
    /// A server.
    Mlflow(MlflowServer),
}

/// An MLflow server and an experiment there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlflowServer {
    /// Address, `http://host:port`, without a slash at its end.
    pub address: String,
    /// Experiment; the name of the dataset if none is given.
    pub experiment: Option<String>,
}

impl TrackerChoice {
    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::TensorBoard => "tracker tensorboard".into(),
            Self::Mlflow(server) => format!("tracker mlflow at {}", server.address),
        }
    }
}

/// `tensorboard`, `mlflow=http://host:port[/experiment]`, or `mlflow` with the server that
/// `MLFLOW_TRACKING_URI` names.
impl FromStr for TrackerChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match text.split_once('=') {
            None if text == "tensorboard" => Ok(Self::TensorBoard),
            None if text == "mlflow" => {
                let Some(address) = variable(MLFLOW_SERVER) else {
                    bail!(
                        "mlflow needs a server: mlflow=http://host:port[/experiment], or {MLFLOW_SERVER}"
                    );
                };
                let server = MlflowServer {
                    address: checked(&address)?.to_owned(),
                    experiment: variable(MLFLOW_EXPERIMENT),
                };
                Ok(Self::Mlflow(server))
            }
            Some(("mlflow", address)) => {
                let address = checked(address)?;
                let host = address.find("://").map_or(0, |place| place + 3);
                let (address, experiment) = match address[host..].find('/') {
                    Some(slash) => address.split_at(host + slash),
                    None => (address, ""),
                };
                let experiment = experiment.trim_matches('/');
                let server = MlflowServer {
                    address: address.to_owned(),
                    experiment: (!experiment.is_empty())
                        .then(|| experiment.to_owned())
                        .or_else(|| variable(MLFLOW_EXPERIMENT)),
                };
                Ok(Self::Mlflow(server))
            }
            _ => bail!(
                "no tracker is called `{text}`: tensorboard, or mlflow=http://host:port[/experiment]"
            ),
        }
    }
}

/// A plain address without a password: the command line is written into the run folder.
fn checked(address: &str) -> Result<&str> {
    let address = address.trim_end_matches('/');
    let Some((scheme, rest)) = address.split_once("://") else {
        bail!(
            "the address of an MLflow server begins with http:// or https://, and `{address}` does not"
        );
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.contains('@') {
        bail!(
            "the address of an MLflow server would be written into the run folder with its password: set \
             MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
        );
    }
    if !["http", "https"].contains(&scheme) || host.is_empty() || host.starts_with(':') {
        bail!("`{address}` is not the address of an MLflow server: http://host:port[/experiment]");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mlflow(text: &str) -> (String, Option<String>) {
        match text.parse().unwrap() {
            TrackerChoice::Mlflow(server) => (server.address, server.experiment),
            TrackerChoice::TensorBoard => panic!("{text}"),
        }
    }

    #[test]
    fn an_address_may_name_the_experiment() {
        let address = "http://127.0.0.1:5000".to_owned();
        assert_eq!(
            mlflow("mlflow=http://127.0.0.1:5000"),
            (address.clone(), None)
        );
        assert_eq!(
            mlflow("mlflow=http://127.0.0.1:5000/"),
            (address.clone(), None)
        );
        assert_eq!(
            mlflow("mlflow=http://127.0.0.1:5000/birds at rest"),
            (address, Some("birds at rest".into()))
        );
    }

    #[test]
    fn an_address_may_be_that_of_a_secure_server() {
        let secure = ("https://tracking.example".to_owned(), Some("birds".into()));
        assert_eq!(mlflow("mlflow=https://tracking.example/birds"), secure);
    }

    #[test]
    fn what_is_no_tracker_is_refused_with_what_is() {
        for (text, word) in [
            ("wandb", "tensorboard"),
            ("mlflow=", "http://"),
            ("mlflow=localhost:5000", "http://"),
            ("mlflow=http://:5000", "http://host:port"),
            ("mlflow=ftp://host:5000", "http://host:port"),
            (
                "mlflow=http://me:secret@host:5000",
                "MLFLOW_TRACKING_PASSWORD",
            ),
        ] {
            let message = text.parse::<TrackerChoice>().unwrap_err().to_string();
            assert!(message.contains(word), "{text}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
