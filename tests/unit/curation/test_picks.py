import numpy as np

from edgekit.curation.picks import scores_of_picks, shares_of_ranks


def test_choices_come_before_the_rest_in_order():
    scores = scores_of_picks([3, 0], np.array([-1.0, 5.0, 2.0, -1.0]))
    assert scores.tolist() == [2.0, 1.0, np.float32(2 / 3), 3.0]


def test_shares_of_ranks_split_ties():
    assert shares_of_ranks(np.array([3.0, 1.0, 3.0])).tolist() == [0.75, 0.0, 0.75]
    assert shares_of_ranks(np.array([9.0])).tolist() == [1.0]
