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
from tinygrad_cnn.train import ExpectedAge, Interrupted, Pass, Regression, evaluate, interrupts_wait, train_epoch


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
HEAD = Regression.of(AGES, F.l1_loss)


def faces(**options):
    images = np.broadcast_to((2 * AGES)[:, None, None, None], (50, 4, 4, 3)).astype(np.uint8)
    return DataLoader(ArrayDataset(images, AGES), batch_size=16, **options)


def test_training_learns():
    model = Brightness()
    optimizer = optim.SGD(model.parameters(), lr=0.3, momentum=0.8)
    passes = [train_epoch(model, faces(shuffle=True), Regression.of(AGES, F.mse_loss), optimizer) for _ in range(8)]
    assert passes[-1].errors.mae < passes[0].errors.mae / 4
    assert evaluate(model, faces(), HEAD).errors.mae < 3


def test_an_epoch_is_the_same_as_its_steps_by_hand():
    by_hand, trained = Brightness(), Brightness()
    loader, total = faces(), 0.0
    optimizer = optim.Adam(by_hand.parameters(), lr=0.1)
    for images, ages in faces():
        optimizer.zero_grad()
        loss = HEAD.loss(by_hand(images), ages)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(ages)
    result = train_epoch(trained, loader, HEAD, optim.Adam(trained.parameters(), lr=0.1))
    assert result.loss == pytest.approx(total / 50, rel=1e-6)
    for name, array in trained.state_dict().items():
        np.testing.assert_array_equal(array, by_hand.state_dict()[name])


def test_the_loss_counts_a_last_small_batch_by_its_size():
    result = evaluate(Brightness(), faces(), HEAD)  # batches of 16, 16, 16 and 2
    np.testing.assert_allclose(result.loss, np.abs(result.predicted - AGES).mean() / HEAD.std, rtol=1e-5)


def test_predictions_come_in_the_order_of_the_faces():
    result = evaluate(Brightness(), faces(), HEAD)
    assert result.true.tolist() == AGES.tolist()
    assert result.predicted.shape == (50,)
    assert result.errors.mae == pytest.approx(np.abs(result.predicted - AGES).mean(), rel=1e-6)
    assert result.images_per_second > 0


def test_the_model_trains_in_training_mode_and_is_evaluated_without_a_graph():
    model = Brightness()
    train_epoch(model, faces(), HEAD, optim.SGD(model.parameters(), lr=0.0))
    evaluate(model, faces(), HEAD)
    assert set(model.modes[:4]) == {(True, True)}
    assert set(model.modes[4:]) == {(False, False)}
    assert tg.is_grad_enabled()


def test_after_an_evaluation_the_next_epoch_trains_in_training_mode_again():
    model = Brightness()
    evaluate(model, faces(), HEAD)
    train_epoch(model, faces(), HEAD, optim.SGD(model.parameters(), lr=0.01))
    assert model.modes[-1] == (True, True)


def test_evaluating_changes_nothing():
    model = Brightness()
    before = model.state_dict()
    evaluate(model, faces(), HEAD)
    assert all(np.array_equal(before[name], array) for name, array in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_are_cut_to_their_largest_norm():
    model = Brightness()
    before = model.linear.state_dict()
    train_epoch(model, faces(), HEAD, optim.SGD(model.parameters(), lr=1.0), max_norm=1e-3)
    moved = sum(float(np.square(array - before[name]).sum()) for name, array in model.linear.state_dict().items())
    assert 0 < moved**0.5 <= 4 * 1.001e-3


def test_an_average_follows_every_step():
    model = Brightness()
    average = optim.EMA(model, decay=0.5)
    train_epoch(model, faces(), HEAD, optim.SGD(model.parameters(), lr=0.1), average=average)
    assert average.updates == 4


def test_flip_averaging_sees_a_face_and_its_mirror_image_as_one():
    class Lopsided(nn.Module):
        def forward(self, x):
            return x[:, :1, 0, 0]

    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[0, :, 0] = images[1, :, 3] = 255
    loader = DataLoader(ArrayDataset(images, [30, 30]))
    head = Regression(30.0, 10.0)
    assert evaluate(Lopsided(), loader, head).predicted.tolist() == [40.0, 20.0]
    assert evaluate(Lopsided(), loader, head, flip=True).predicted.tolist() == [30.0, 30.0]


def test_a_distribution_over_ages_is_trained_and_reported_in_years():
    class Brightness100(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(1, 100)

        def forward(self, x):
            return self.linear(x.mean((1, 2, 3)).reshape(-1, 1))

    tg.manual_seed(0)
    model, head = Brightness100(), ExpectedAge(oldest=99)
    optimizer = optim.Adam(model.parameters(), lr=0.3)
    passes = [train_epoch(model, faces(shuffle=True), head, optimizer) for _ in range(20)]
    assert evaluate(model, faces(), head).errors.mae < passes[0].errors.mae / 3


def test_the_schedule_takes_a_step_for_every_batch():
    model = Brightness()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    train_epoch(model, faces(), HEAD, optimizer, schedule)
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
    train_epoch(model, faces(), HEAD, optim.SGD(model.parameters(), lr=0.1))
    assert alive == [0, 0, 0, 0]


def test_a_loss_that_is_no_number_stops_the_training_and_says_what_may_help():
    model = Brightness()
    with pytest.raises(FloatingPointError, match=r"after 16 images\. First: .* Try: a lower learning rate"):
        train_epoch(model, faces(), Regression.of(AGES, F.mse_loss), optim.SGD(model.parameters(), lr=1e30))


def test_faces_without_a_loader_are_an_error():
    with pytest.raises(TypeError, match="loader must be a DataLoader, got"):
        evaluate(Brightness(), faces().dataset, HEAD)


def test_no_faces_are_an_error():
    model, nobody = Brightness(), DataLoader(Subset(faces().dataset, []))
    with pytest.raises(ValueError, match="evaluating: the loader gives no faces"):
        evaluate(model, nobody, HEAD)
    with pytest.raises(ValueError, match="epoch 1: the loader gives no faces"):
        train_epoch(model, nobody, HEAD, optim.SGD(model.parameters(), lr=0.1), title="epoch 1")


def test_without_a_terminal_there_is_no_bar(capsys):
    evaluate(Brightness(), faces(), HEAD)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_bar_shows_loss_error_and_speed(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    evaluate(Brightness(), faces(), HEAD, title="epoch 1/3")
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
        train_epoch(model, faces(), HEAD, Interrupting(model.parameters(), lr=0.1))
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


def test_one_ctrl_c_is_seen_by_those_that_wait_inside_and_by_those_outside():
    with interrupts_wait() as outer:
        with interrupts_wait() as inner:
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(Interrupted):
                inner()
        with pytest.raises(Interrupted):
            outer()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_pass_goes_on_from_a_saved_one_to_the_bit():
    def training():
        tg.manual_seed(0)
        model, loader = Brightness(), faces(shuffle=True)
        return model, loader, optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    model, loader, optimizer = training()
    whole = train_epoch(model, loader, HEAD, optimizer)
    first, saved = Pass(HEAD.errors()), []

    def save():
        saved.append((first.state_dict(), loader.state_dict(), model.state_dict(), optimizer.state_dict()))

    model, loader, optimizer = training()
    train_epoch(model, loader, HEAD, optimizer, so_far=first, after_step=save)
    assert len(saved) == 4
    for state in saved:
        model, loader, optimizer = training()
        so_far = Pass(HEAD.errors())
        for part, its_state in zip((so_far, loader, model, optimizer), state, strict=True):
            part.load_state_dict(its_state)
        resumed = train_epoch(model, loader, HEAD, optimizer, so_far=so_far)
        assert resumed is so_far
        assert (resumed.loss, resumed.errors.as_dict()) == (whole.loss, whole.errors.as_dict())
        np.testing.assert_array_equal(resumed.predicted, whole.predicted)
        np.testing.assert_array_equal(resumed.true, whole.true)
        assert resumed.seconds > state[0]["seconds"] or len(state[0]["losses"]) == 4


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
    thread = threading.Thread(target=lambda: results.append(evaluate(Brightness(), faces(), HEAD)))
    thread.start()
    thread.join()
    assert results[0].errors.count == 50
