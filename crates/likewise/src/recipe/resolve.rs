//! Values that follow from other tables where they are not stated. They are filled in before a
//! recipe is used or stored, so that what is stored says all.

use super::Recipe;
use crate::miner::MinerConfig;
use crate::objective::ObjectiveConfig;
use crate::objective::snr::REG_LAMBDA;

impl Recipe {
    pub(super) fn resolve(&mut self) {
        if let ObjectiveConfig::Snr(snr) = &mut self.objective {
            let by_distance = self.miner.as_ref().is_some_and(draws_by_distance_alone);
            let usual = if by_distance { 0.0 } else { REG_LAMBDA };
            snr.reg_lambda.get_or_insert(usual);
        }
    }
}

/// Miners that the reference experiments know by the name `distance`: without the ρ-switch.
fn draws_by_distance_alone(miner: &MinerConfig) -> bool {
    let keys = toml::Table::try_from(miner).unwrap_or_default();
    ["distance", "random_distance"].contains(&miner.name()) && !keys.contains_key("rho")
}

#[cfg(test)]
mod tests {
    use super::super::Layers;
    use super::*;

    fn reg_lambda(miner: &str, stated: &str) -> Option<f64> {
        let text = format!(
            "[model]\nembedding_dim = 8\nnormalize = true\n[model.backbone]\narchitecture = \"mlp\"\n\
             [objective]\nname = \"snr\"\n{stated}\n[miner]\n{miner}"
        );
        let layers = Layers::from_toml(&text, "test.toml", &mut |_, _| unreachable!());
        let recipe = layers.unwrap().into_recipe().unwrap();
        let stored = toml::to_string(&recipe).unwrap();
        let again: Recipe = toml::from_str(&stored).unwrap();
        assert_eq!(again, recipe);
        match recipe.objective {
            ObjectiveConfig::Snr(snr) => snr.reg_lambda,
            other => panic!("not the objective of the recipe: {other:?}"),
        }
    }

    #[test]
    fn the_penalty_of_snr_depends_on_the_miner_unless_it_is_stated() {
        let switched = "name = \"distance\"\nrho = { p_switch = 0.2 }";
        assert_eq!(reg_lambda("name = \"distance\"", ""), Some(0.0));
        assert_eq!(reg_lambda(switched, ""), Some(0.005));
        assert_eq!(reg_lambda("name = \"semihard\"", ""), Some(0.005));
        let stated = "reg_lambda = 0.01";
        assert_eq!(reg_lambda("name = \"distance\"", stated), Some(0.01));
    }
}
