"""A teacher is exactly the moving average of its student, and nothing else moves it."""

import torch
from torch import nn

from lulc_xr.models.tempcnn import TempCNN
from lulc_xr.training.teacher import Teacher


def make_network():
    torch.manual_seed(0)
    return TempCNN(bands=2, dates=5, classes={"a": 3}, filters=4, dense=8)


def test_teacher_is_the_average_written_out():
    student = make_network()
    teacher = Teacher(student, decay=0.6)
    averages = [p.detach().clone() for p in student.parameters()]
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for step in range(1, 8):
        loss = student(torch.randn(6, 5, 2))["a"].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.follow(student)
        decay = min(0.6, step / (step + 9))
        averages = [
            decay * a + (1 - decay) * p.detach()
            for a, p in zip(averages, student.parameters(), strict=True)
        ]
    for expected, own in zip(averages, teacher.network.parameters(), strict=True):
        torch.testing.assert_close(own, expected)
        assert not own.requires_grad
    assert any(
        not torch.equal(p, q)
        for p, q in zip(student.parameters(), teacher.network.parameters(), strict=True)
    )


def test_statistics_of_batch_norm_are_averaged_and_counts_copied():
    student = nn.BatchNorm1d(2)
    teacher = Teacher(student, decay=0.0)
    student(torch.randn(20, 2) * 3 + 1)
    teacher.follow(student)
    found = teacher.network.state_dict()
    for name, value in student.state_dict().items():
        assert torch.equal(found[name], value)
    assert int(found["num_batches_tracked"]) == 1


def test_teacher_never_trains():
    teacher = Teacher(make_network(), decay=0.9)
    teacher.train()
    assert not any(module.training for module in teacher.modules())
    before = {k: v.clone() for k, v in teacher.state_dict().items()}
    teacher.network(torch.randn(6, 5, 2))
    assert all(torch.equal(v, before[k]) for k, v in teacher.state_dict().items())


def test_teacher_goes_on_where_its_state_was_saved():
    student = make_network()
    first = Teacher(student, decay=0.999)
    for _ in range(3):
        first.follow(student)
    second = Teacher(make_network(), decay=0.999)
    second.load_state_dict(first.state_dict())
    assert int(second.taken) == 3
    nn.init.ones_(student.dense.weight)
    first.follow(student)
    second.follow(student)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
