"""What the heads of the tables mean, each in a sentence: shown where the word is."""

TERMS = {
    "Verdict": "better or worse: the interval is clear of 0. equivalent: it is within the margin. inconclusive: neither.",
    "Difference": "Variant minus baseline, the mean over pairs with the same seed and data.",
    "95 % interval": "A range that holds the true mean, of all variants together, in 95 of 100 such studies.",
    "p (adjusted)": "Chance of so large a difference if there were none, adjusted for all comparisons of the study.",
    "p (Holm)": "Chance of so large a difference if there were none, adjusted for all comparisons of the study.",
    "p (always valid)": "Like p, but valid however often one looks.",
    "d_z": "The mean difference over its standard deviation between pairs: 0.2 is small, 0.8 is large.",
    "P(better)": "The share of seeds on which the variant scores higher; ties count half.",
    "Strength": "The stddev or rate of the noise, or the factor of the control.",
    "Seeds": "Networks that were trained, each from other initial weights.",
    "Train": "Score on the rows that the network was trained on.",
    "Test, mean ± std": "Score on the test rows: mean and standard deviation over the seeds.",
    "Fresh rows, mean ± std": "Score on rows that no network has seen: mean and standard deviation over the seeds.",
    "The test set's own": "The range that the few test rows leave for a network of that score, however many seeds there are.",
    "Percentile": "The share of seeds here that score below the published run; ties count half.",
    "Brier": "Mean squared error of the predicted probabilities: 0 is perfect, lower is better.",
    "ECE": "Expected calibration error: how far predicted probabilities are from the observed frequencies.",
    "Optimism": "What choosing the strength on the test rows would have added to the score.",
    "Best on test": "The highest mean score of all strengths, and its strength: chosen on the rows that it is scored on.",
    "Gap": "Train score minus test score of the same network.",
}


def term(head: str) -> str:
    """The sentence on a head such as `Difference (points)`; empty where there is none."""
    return TERMS.get(head) or TERMS.get(head.partition(" (")[0], "")
