//! Names of metrics and the table behind them.

use likewise::metric::{METRICS, MetricName, MetricSet, MetricValues, Parameter, Space};

fn parse(name: &str) -> MetricName {
    name.parse().unwrap()
}

fn message(name: &str) -> String {
    name.parse::<MetricName>().unwrap_err().to_string()
}

#[test]
fn aliases_share_one_key() {
    for (alias, key) in [
        ("e_recall@1", "recall@1"),
        ("recall@10", "recall@10"),
        ("c_recall@1000", "c_recall@1000"),
        ("e_nmi", "nmi"),
        ("c_f1", "c_f1"),
        ("c_mAP", "c_mAP"),
        ("c_mAP_lim", "c_mAP_lim"),
        ("c_mAP_1000", "c_mAP_1000"),
        ("c_mAP_c", "c_mAP_c"),
        ("c_nmi", "c_nmi"),
        ("e_precision@1", "precision@1"),
        ("c_precision@10", "c_precision@10"),
        ("e_worst_class_recall@4", "worst_class_recall@4"),
        ("c_dists@intra", "dists@intra"),
        ("e_dists@intra_over_inter", "e_dists@intra_over_inter"),
        ("rho_spectrum@-1", "rho_spectrum@-1"),
        ("rho_spectrum_full@0", "rho_spectrum_full@0"),
    ] {
        assert_eq!(parse(alias).to_string(), key);
        assert_eq!(parse(key), parse(alias));
    }
    assert_eq!(parse("c_recall@3").space(), Some(Space::Cosine));
    assert_eq!(parse("c_recall@3").parameter(), 3);
}

#[test]
fn the_table_is_indexed_by_quantity_and_every_line_parses() {
    for (index, metric) in METRICS.iter().enumerate() {
        assert_eq!(metric.quantity as usize, index, "{}", metric.name);
        let name = match metric.parameter {
            Parameter::None => metric.name.to_owned(),
            Parameter::Neighbours => metric.name.replace("@k", "@7"),
            Parameter::Spectrum => metric.name.replace("@m", "@7"),
        };
        assert_eq!(parse(&name).metric().name, metric.name);
        assert_eq!(parse(&name).to_string(), name);
        assert!(metric.definition.ends_with('.') && metric.range.0 < metric.range.1);
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_known_one() {
    for (wrong, suggestion) in [
        ("recal@1", "`recall@1`"),
        ("recall@0", "`recall@1`"),
        ("recall@x", "`recall@1`"),
        ("recall", "`recall@1`"),
        ("precision@0", "`precision@1`"),
        ("worst_recall@1", "`worst_class_recall@1`"),
        ("nmii", "`nmi`"),
        ("map@r", "`map_at_r`"),
        ("c_rho_spectrum@2", "`rho_spectrum@2`"),
        ("dist@intra", "`dists@intra`"),
    ] {
        let text = message(wrong);
        assert!(
            text.contains(&format!("`{wrong}` is not a metric")),
            "{text}"
        );
        assert!(
            text.contains(&format!("the nearest is {suggestion}")),
            "{text}"
        );
    }
    assert!(message("").contains("Known: recall@k"));
    assert!(message("é").contains("not a metric"));
}

#[test]
fn a_set_holds_each_metric_once_in_the_order_of_the_table() {
    let set =
        MetricSet::parse(["f1", "recall@10", "e_recall@2", "recall@2", "c_recall@1"]).unwrap();
    let keys: Vec<String> = set.iter().map(|name| name.to_string()).collect();
    assert_eq!(keys, ["recall@2", "recall@10", "c_recall@1", "f1"]);
    assert!(MetricSet::parse(["recall@1", "bogus"]).is_err());
}

#[test]
fn values_survive_json() {
    let mut values = MetricValues::default();
    values.scalars.insert(parse("recall@1"), 0.25);
    values.scalars.insert(parse("c_nmi"), 0.1);
    values
        .arrays
        .insert(parse("rho_spectrum@0"), vec![0.75, 0.25]);
    values.notes.insert(parse("map_at_r"), "undefined".into());
    let text = serde_json::to_string(&values).unwrap();
    assert!(text.contains(r#""recall@1":0.25"#), "{text}");
    let read: MetricValues = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (read.scalars, read.arrays),
        (values.scalars.clone(), values.arrays.clone())
    );
    assert!(
        read.notes.is_empty(),
        "notes are for the reader of the moment"
    );
    assert_eq!(values.get("e_recall@1"), Some(0.25));
    assert_eq!(values.get("recall@2"), None);
    let set = MetricSet::default();
    assert_eq!(
        serde_json::from_str::<MetricSet>(&serde_json::to_string(&set).unwrap()).unwrap(),
        set
    );
}
