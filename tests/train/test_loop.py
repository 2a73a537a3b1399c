"""One pass over a loader: what it learns, what it reports, what it leaves alone, how it stops."""

import os
import signal
import sys
import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.functional as F
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import ArrayDataset, DataLoader, Subset
from tinygrad_cnn.train import AgeScale, evaluate, train_epoch
from tinygrad_cnn.train.loop import interrupts_wait


class Brightness(nn.Module):
    """Sees only how bright a picture is on average; the faces here are as bright as they are old."""

    def __init__(self):
        tg.manual_seed(0)
        self.linear = nn.Linear(1, 1)
        self.dropout = nn.Dropout(0.5)
        self.modes = []

    def forward(self, x):
        self.modes.append((self.training, tg.is_grad_enabled()))
        return self.linear(x.mean((1, 2, 3)).reshape(-1, 1))


AGES = np.random.default_rng(0).integers(1, 100, 50)
SCALE = AgeScale.of(AGES)


def faces(**options):
    images = np.broadcast_to((2 * AGES)[:, None, None, None], (50, 4, 4, 3)).astype(np.uint8)
    return DataLoader(ArrayDataset(images, AGES), batch_size=16, **options)


def test_a_scale_turns_ages_into_standard_numbers_and_back():
    targets = SCALE.targets(AGES).numpy()
    assert targets.shape == (50, 1)
    assert targets.dtype == np.float32
    assert targets.mean() == pytest.approx(0, abs=1e-6)
    assert targets.std() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(SCALE.years(targets), AGES, atol=1e-4)


def test_a_scale_of_one_age_only_shifts():
    assert AgeScale.of([30, 30]) == (30.0, 1.0)


def test_no_predicted_age_is_negative():
    assert AgeScale(30.0, 10.0).years(np.array([[-5.0], [0.5]], np.float32)).tolist() == [0.0, 35.0]


def test_training_learns():
    model = Brightness()
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.8)
    passes = [train_epoch(model, faces(shuffle=True), SCALE, F.mse_loss, optimizer) for _ in range(8)]
    assert passes[-1].errors.mae < passes[0].errors.mae / 4
    assert evaluate(model, faces(), SCALE).errors.mae < 3


def test_an_epoch_is_the_same_as_its_steps_by_hand():
    by_hand, trained = Brightness(), Brightness()
    loader, total = faces(), 0.0
    optimizer = optim.Adam(by_hand.parameters(), lr=0.1)
    for images, ages in faces():
        optimizer.zero_grad()
        loss = F.l1_loss(by_hand(images), tg.Tensor(SCALE.targets(ages.numpy()).numpy()))
        loss.backward()
        optimizer.step()
        total += loss.item() * len(ages)
    result = train_epoch(trained, loader, SCALE, F.l1_loss, optim.Adam(trained.parameters(), lr=0.1))
    assert result.loss == pytest.approx(total / 50, rel=1e-6)
    for name, array in trained.state_dict().items():
        np.testing.assert_array_equal(array, by_hand.state_dict()[name])


def test_the_loss_counts_a_last_small_batch_by_its_size():
    result = evaluate(Brightness(), faces(), SCALE, F.l1_loss)  # batches of 16, 16, 16 and 2
    np.testing.assert_allclose(result.loss, np.abs(result.predicted - AGES).mean() / SCALE.std, rtol=1e-5)


def test_predictions_come_in_the_order_of_the_faces():
    result = evaluate(Brightness(), faces(), SCALE)
    assert result.true.tolist() == AGES.tolist()
    assert result.predicted.shape == (50,)
    assert result.errors.mae == pytest.approx(np.abs(result.predicted - AGES).mean(), rel=1e-6)
    assert result.images_per_second > 0


def test_the_model_trains_in_training_mode_and_is_evaluated_without_a_graph():
    model = Brightness()
    train_epoch(model, faces(), SCALE, F.l1_loss, optim.SGD(model.parameters(), lr=0.0))
    evaluate(model, faces(), SCALE)
    assert set(model.modes[:4]) == {(True, True)}
    assert set(model.modes[4:]) == {(False, False)}
    assert tg.is_grad_enabled()


def test_evaluating_changes_nothing():
    model = Brightness()
    before = model.state_dict()
    evaluate(model, faces(), SCALE)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_schedule_takes_a_step_for_every_batch():
    model = Brightness()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    train_epoch(model, faces(), SCALE, F.l1_loss, optimizer, schedule)
    assert optimizer.param_groups[0]["lr"] == 0.5**4


def test_no_step_keeps_the_graph_of_the_one_before():
    alive = []

    class Watched(Brightness):
        def forward(self, x):
            alive.append(sum(ref() is not None for ref in references))
            out = super().forward(x)
            references.append(weakref.ref(out))
            return out

    import weakref

    references = []
    model = Watched()
    train_epoch(model, faces(), SCALE, F.l1_loss, optim.SGD(model.parameters(), lr=0.1))
    assert alive == [0, 0, 0, 0]


def test_a_loss_that_is_no_number_stops_the_training_and_says_what_may_help():
    model = Brightness()
    with pytest.raises(FloatingPointError, match="after 16 images; try a lower learning rate"):
        train_epoch(model, faces(), SCALE, F.mse_loss, optim.SGD(model.parameters(), lr=1e30))


def test_no_faces_are_an_error():
    model, nobody = Brightness(), DataLoader(Subset(faces().dataset, []))
    with pytest.raises(ValueError, match="evaluating: the loader gives no faces"):
        evaluate(model, nobody, SCALE)
    with pytest.raises(ValueError, match="epoch 1: the loader gives no faces"):
        train_epoch(model, nobody, SCALE, F.l1_loss, optim.SGD(model.parameters(), lr=0.1), title="epoch 1")


def test_without_a_terminal_there_is_no_bar(capsys):
    evaluate(Brightness(), faces(), SCALE)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_bar_shows_loss_error_and_speed(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    evaluate(Brightness(), faces(), SCALE, title="epoch 1/3")
    bar = capsys.readouterr().err
    assert "epoch 1/3" in bar
    assert "/50" in bar


def test_ctrl_c_waits_for_the_batch_at_hand():
    model = Brightness()
    batches = []

    class Interrupting(optim.SGD):
        def step(self, closure=None):
            if len(batches) == 1:
                os.kill(os.getpid(), signal.SIGINT)
            super().step(closure)
            batches.append(len(batches))

    with pytest.raises(KeyboardInterrupt):
        train_epoch(model, faces(), SCALE, F.l1_loss, Interrupting(model.parameters(), lr=0.1))
    assert len(batches) == 2  # the step in which it came was finished, and no other begun
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait():
    reached = []

    def press_twice():
        with interrupts_wait():
            for press in ("first", "second"):
                os.kill(os.getpid(), signal.SIGINT)
                reached.append(press)

    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert reached == ["first"]


def test_a_programs_own_handler_of_ctrl_c_stays():
    def own(number, frame):
        pass

    before = signal.signal(signal.SIGINT, own)
    try:
        with interrupts_wait() as stop_if_interrupted:
            assert signal.getsignal(signal.SIGINT) is own
            stop_if_interrupted()
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_can_train_too():
    results = []
    thread = threading.Thread(target=lambda: results.append(evaluate(Brightness(), faces(), SCALE)))
    thread.start()
    thread.join()
    assert results[0].errors.count == 50
