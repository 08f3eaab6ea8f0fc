//! Trackers that cannot be reached, or are none: a run goes on without them. What real ones make of
//! a run is tested in `with_tools`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::support::{Place, events, refused, stderr, succeeded};

/// A server that answers every request with `answer`, and tells what it was asked.
fn server(answer: &'static str) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (told, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let text = String::from_utf8_lossy(&request[..length]).into_owned();
            if told.send(text).is_err() {
                return;
            }
            let body =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
            let _ = stream.write_all(body.as_bytes());
        }
    });
    (address, asked)
}

fn tracker_warnings(place: &Place) -> Vec<String> {
    let all = events(&place.path("run")).into_iter();
    let warnings = all.filter_map(|event| event["message"].as_str().map(ToOwned::to_owned));
    warnings.filter(|text| text.contains("tracker")).collect()
}

#[test]
fn a_server_that_is_away_costs_a_warning_and_nothing_else() {
    let place = Place::new();
    place.dataset(12, 4);
    succeeded(&place.train(&["--run", "alone"]));
    // A port that nobody listens at.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let tracker = format!("mlflow=http://127.0.0.1:{port}");
    let output = place.train(&["--tracker", &tracker]);
    succeeded(&output);
    let warnings = tracker_warnings(&place);
    assert!((1..=2).contains(&warnings.len()), "{warnings:?}");
    let last = warnings.last().unwrap();
    assert!(
        last.contains(&port.to_string()) && last.contains("--resume"),
        "{last}"
    );
    assert!(stderr(&output).contains(last));
    assert_eq!(
        super::support::checkpoint(&place.path("alone")),
        super::support::checkpoint(&place.path("run"))
    );
}

#[test]
fn a_server_that_refuses_is_asked_once_with_the_words_of_the_environment() {
    for (variables, authorization) in [
        (
            &[("MLFLOW_TRACKING_TOKEN", "abc")][..],
            "authorization: Bearer abc",
        ),
        (
            &[
                ("MLFLOW_TRACKING_USERNAME", "me"),
                ("MLFLOW_TRACKING_PASSWORD", "secret"),
            ],
            "authorization: Basic bWU6c2VjcmV0",
        ),
    ] {
        let place = Place::new();
        place.dataset(12, 4);
        let (address, asked) = server("401 Unauthorized");
        let arguments = Place::train_arguments(&["--tracker", "mlflow"]);
        let mut command = place.command(&arguments);
        command.env("MLFLOW_TRACKING_URI", &address);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        succeeded(&output);
        let requests: Vec<String> = asked.try_iter().collect();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let request = &requests[0];
        assert!(
            request
                .starts_with("GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=data "),
            "{request}"
        );
        assert!(request.contains(authorization), "{request}");
        let warnings = tracker_warnings(&place);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("401"), "{warnings:?}");
        for (path, bytes) in super::support::contents(&place.path("run")) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(
                !text.contains("secret"),
                "{} holds the password",
                path.display()
            );
        }
    }
}

#[test]
fn a_server_that_is_none_of_mlflow_is_left_out() {
    let place = Place::new();
    place.dataset(12, 4);
    let (address, _asked) = server("200 OK");
    succeeded(&place.train(&["--tracker", &format!("mlflow={address}")]));
    let warnings = tracker_warnings(&place);
    assert!(warnings[0].contains("not MLflow's"), "{warnings:?}");
}

#[test]
fn what_is_no_tracker_is_refused_before_anything_is_written() {
    let place = Place::new();
    place.dataset(12, 4);
    for (tracker, word) in [
        ("wandb", "tensorboard"),
        ("tensorboard,mlflow=localhost", "http://"),
    ] {
        let output = place.train(&["--tracker", tracker]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
        assert!(!place.path("run").exists());
    }
    let output = place
        .command(&Place::train_arguments(&["--tracker", "mlflow"]))
        .env_remove("MLFLOW_TRACKING_URI")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("MLFLOW_TRACKING_URI"));
    let secret = "mlflow=http://me:hidden@localhost";
    let output = place.train(&["--tracker", secret]);
    assert!(stderr(&output).contains("MLFLOW_TRACKING_PASSWORD"));
    refused(
        &place.train(&["--tracker", "tensorboard", "--resume"]),
        &["run"],
    );
}
