//! The first stage: layers of TOML tables, laid over each other before anything is interpreted.

use serde::Deserialize;
use toml::{Table, Value};

use super::Recipe;
use crate::model::{ARCHITECTURES, ImageInput};
use crate::{Error, Result};

/// How many files may extend each other; more is taken for a circle.
const MAX_DEPTH: usize = 16;

/// Keys that say what the other keys of their table mean. (The recipe's own `name` is no such key:
/// tables at the top are never merged away.)
const KINDS: [&str; 2] = ["name", "architecture"];

/// Reads the file that another one extends: from the name of the one and what it says of the other,
/// to the other's name and text.
pub type ReadBase<'a> = dyn FnMut(&str, &str) -> Result<(String, String)> + 'a;

/// TOML tables in order of priority, merged key by key.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    table: Table,
}

impl Layers {
    /// Reads the TOML `text` of the file called `file` and, below it, every file it `extends`;
    /// `read` returns the name and text of a file named in `extends`, relative to the file that
    /// names it.
    pub fn from_toml(text: &str, file: &str, read: &mut ReadBase<'_>) -> Result<Self> {
        let mut stack = vec![parse(text, file)?];
        let mut current = file.to_string();
        while let Some(base) = stack.last_mut().and_then(|table| table.remove("extends")) {
            let Value::String(base) = base else {
                return Err(Error::Recipe(format!(
                    "{current}: extends must be a file name in quotes"
                )));
            };
            if stack.len() == MAX_DEPTH {
                return Err(Error::Recipe(format!(
                    "{current}: the files extend each other in a circle"
                )));
            }
            let (name, text) = read(&current, &base)?;
            stack.push(parse(&text, &name)?);
            current = name;
        }
        let mut layers = Self::default();
        while let Some(table) = stack.pop() {
            merge(&mut layers.table, table);
        }
        Ok(layers)
    }

    /// Lays one `KEY=VALUE` assignment over the rest.
    pub fn set(&mut self, assignment: &str) -> Result<()> {
        let (path, value) = parse_assignment(assignment)?;
        self.set_value(&path, value)
    }

    /// Whether an assignment says what the other keys of its table mean, as `objective.name=triplet`
    /// does. It drops the settings of the former kind, so that of several assignments these have to
    /// be laid over first.
    pub fn changes_kind(assignment: &str) -> bool {
        let path = parse_assignment(assignment).map(|(path, _)| path);
        path.is_ok_and(|path| path.len() > 1 && KINDS.contains(&path[path.len() - 1].as_str()))
    }

    /// Sets the value at a dotted path. An empty string removes what is there, and another
    /// `name` or `architecture` drops the settings of the former one.
    pub fn set_value(&mut self, path: &[String], value: Value) -> Result<()> {
        let Some((last, parents)) = path.split_last() else {
            return Err(Error::Recipe("an assignment needs a key".into()));
        };
        let mut table = &mut self.table;
        for (depth, key) in parents.iter().enumerate() {
            let entry = table
                .entry(key.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().ok_or_else(|| {
                Error::Recipe(format!(
                    "{} is a value, not a table",
                    path[..=depth].join(".")
                ))
            })?;
        }
        if value.as_str() == Some("") {
            table.remove(last);
            return Ok(());
        }
        if !parents.is_empty()
            && KINDS.contains(&last.as_str())
            && table.get(last).is_some_and(|former| *former != value)
        {
            table.clear();
        }
        table.insert(last.clone(), value);
        Ok(())
    }

    /// The value at a dotted path, if one is stated.
    pub fn value(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        let value = self.table.get(*first)?;
        rest.iter().try_fold(value, |value, key| value.get(*key))
    }

    /// Interprets the layers: types checked, unknown keys refused with the nearest known one, values
    /// that follow from others filled in.
    pub fn into_recipe(mut self) -> Result<Recipe> {
        self.prepare_images()?;
        let mut recipe: Recipe = serde_path_to_error::deserialize(Value::Table(self.table))
            .map_err(|error| {
                Error::Recipe(explain(&error.path().to_string(), error.inner().message()))
            })?;
        recipe.resolve();
        recipe.validate()?;
        Ok(recipe)
    }
}

impl Layers {
    /// States the size and normalisation of images that the weights of the architecture were learned
    /// from, where they are not stated and differ from those of most.
    fn prepare_images(&mut self) -> Result<()> {
        let name = self.value(&["model", "backbone", "architecture"]);
        let name = name.and_then(Value::as_str);
        let Some(entry) = ARCHITECTURES.iter().find(|entry| Some(entry.name) == name) else {
            return Ok(());
        };
        let (images, usual) = (entry.images, ImageInput::IMAGENET);
        let numbers = |values: [f32; 3]| values.map(|value| Value::Float(value.into())).to_vec();
        let own_size = images.size != usual.size && self.value(&["data", "image_size"]).is_none();
        let settings = [
            ("image_size", own_size, Value::Integer(images.size as i64)),
            ("resize", own_size, Value::Integer(images.resize as i64)),
            (
                "mean",
                images.mean != usual.mean,
                Value::Array(numbers(images.mean)),
            ),
            (
                "std",
                images.std != usual.std,
                Value::Array(numbers(images.std)),
            ),
        ];
        for (key, differs, value) in settings {
            if differs && self.value(&["data", key]).is_none() {
                self.set_value(&["data".into(), key.into()], value)?;
            }
        }
        Ok(())
    }
}

fn parse(text: &str, file: &str) -> Result<Table> {
    let parsed = toml::de::Deserializer::parse(text).and_then(Table::deserialize);
    parsed.map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Error::Recipe(format!(
            "{file}:{line}: not valid TOML: {}",
            error.message().trim()
        ))
    })
}

/// Splits `KEY=VALUE` into a dotted path and a TOML value; text that is no TOML value counts as a
/// string, so that quotes are not needed on a command line.
pub fn parse_assignment(assignment: &str) -> Result<(Vec<String>, Value)> {
    let wrong = || {
        Error::Recipe(format!(
            "`{assignment}` is not of the form KEY=VALUE (for example objective.margin=0.2)"
        ))
    };
    let (key, text) = assignment.split_once('=').ok_or_else(wrong)?;
    let path: Vec<String> = key.trim().split('.').map(str::to_string).collect();
    if path.iter().any(String::is_empty) {
        return Err(wrong());
    }
    let value = format!("value = {}", text.trim())
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.trim().to_string()));
    Ok((path, value))
}

/// Lays `over` on `under`. Tables merge key by key, except where their `name` (or
/// `architecture`) changes: the settings of one objective mean nothing to another.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                if kind_changes(below, &above) {
                    *below = above;
                } else {
                    merge(below, above);
                }
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn kind_changes(below: &Table, above: &Table) -> bool {
    KINDS
        .iter()
        .any(|key| match (below.get(*key), above.get(*key)) {
            (Some(below), Some(above)) => below != above,
            _ => false,
        })
}

/// Serde's message, with the key it concerns and the nearest allowed word.
fn explain(path: &str, message: &str) -> String {
    let message = message.trim();
    let at = if path.is_empty() || path == "." {
        "recipe".to_string()
    } else {
        path.to_string()
    };
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message.starts_with("unknown ");
    let nearest = quoted
        .split_first()
        .filter(|_| unknown)
        .and_then(|(typed, allowed)| {
            allowed
                .iter()
                .map(|word| (strsim::damerau_levenshtein(typed, word), word))
                .filter(|(distance, word)| *distance <= word.len().div_ceil(2))
                .min()
                .map(|(_, word)| format!(" (did you mean `{word}`?)"))
        });
    format!("{at}: {message}{}", nearest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(text: &str) -> Result<Layers> {
        Layers::from_toml(text, "test.toml", &mut |_, name| {
            let text = "[model.backbone]\narchitecture = \"mlp\"\n[train]\nepochs = 3\n\
                        [objective]\nname = \"margin\"\nbeta = 0.6\n[miner]\nname = \"random\"\n";
            Ok((name.to_string(), text.to_string()))
        })
    }

    #[test]
    fn a_file_overrides_what_it_extends_and_an_assignment_overrides_both() {
        let mut layers = layers("extends = \"base.toml\"\n[train]\nepochs = 5\n").unwrap();
        layers.set("train.epochs=7").unwrap();
        layers.set("data.source=pictures/cats").unwrap();
        let recipe = layers.into_recipe().unwrap();
        assert_eq!(recipe.train.epochs, 7);
        assert_eq!(recipe.data.source, "pictures/cats");
    }

    #[test]
    fn another_objective_drops_the_settings_of_the_first() {
        let text = "extends = \"base.toml\"\n[objective]\nname = \"multisimilarity\"\n";
        let recipe = layers(text).unwrap().table;
        assert!(recipe["objective"].get("beta").is_none());
    }

    #[test]
    fn an_assignment_can_change_the_objective_and_remove_a_table() {
        let mut layers =
            layers("[miner]\nname = \"random\"\n[objective]\nname = \"margin\"\nbeta = 1.2\n")
                .unwrap();
        layers.set("objective.name=multisimilarity").unwrap();
        layers.set("miner=").unwrap();
        assert_eq!(
            layers.table["objective"].as_table().map(Table::len),
            Some(1)
        );
        assert!(layers.table.get("miner").is_none());
    }

    #[test]
    fn assignments_that_change_what_others_mean_are_told_apart() {
        for (assignment, changes) in [
            ("objective.name=triplet", true),
            ("model.backbone.architecture=mlp", true),
            ("name=mine", false),
            ("objective.margin=0.3", false),
            ("objective={name=\"triplet\"}", false),
            ("objective.name", false),
        ] {
            assert_eq!(Layers::changes_kind(assignment), changes, "{assignment}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_nearest_known_one() {
        let error = layers("[train]\nepoch = 3\n")
            .unwrap()
            .into_recipe()
            .unwrap_err()
            .to_string();
        assert!(error.contains("train"), "{error}");
        assert!(error.contains("did you mean `epochs`?"), "{error}");
    }

    #[test]
    fn broken_toml_names_file_and_line() {
        let error = layers("seed = 1\n[train\n").unwrap_err().to_string();
        assert!(error.starts_with("test.toml:2:"), "{error}");
    }

    #[test]
    fn files_that_extend_each_other_in_a_circle_are_refused() {
        let error = Layers::from_toml("extends = \"a\"", "a", &mut |_, name| {
            Ok((name.to_string(), "extends = \"a\"".to_string()))
        });
        assert!(error.unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn images_are_prepared_as_the_weights_of_the_architecture_expect() {
        let data = |architecture: &str, stated: &str| {
            let text = format!(
                "[data]\n{stated}\n[model.backbone]\narchitecture = '{architecture}'\n\
                 [objective]\nname = 'multisimilarity'\n"
            );
            let layers = Layers::from_toml(&text, "test.toml", &mut |_, _| unreachable!());
            layers.unwrap().into_recipe().unwrap().data
        };
        let usual = data("resnet", "");
        assert_eq!((usual.image_size, usual.resize()), (224, 256));
        assert_eq!(usual, data("vit", ""));
        let googlenet = data("googlenet", "");
        assert_eq!((googlenet.image_size, googlenet.resize()), (227, 256));
        assert_eq!(googlenet.mean, [0.5; 3]);
        let bn_inception = data("bn_inception", "");
        assert_eq!(bn_inception.image_size, 224);
        assert_eq!(bn_inception.mean, [0.502, 0.4588, 0.4078]);
        assert_eq!(bn_inception.std, [0.0039; 3]);
        let stated = data("googlenet", "image_size = 112\nmean = [0.1, 0.2, 0.3]");
        assert_eq!((stated.image_size, stated.resize()), (112, 128));
        assert_eq!((stated.mean, stated.std), ([0.1, 0.2, 0.3], [0.5; 3]));
    }
}
