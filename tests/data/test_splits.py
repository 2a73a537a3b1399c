import numpy as np
import pytest

from tinygrad_cnn.data import ArrayDataset, UTKFace, splits

from .pictures import photo, write


@pytest.fixture(scope="module")
def copied():
    """60 photos, half of them with a mirrored copy: 90 images."""
    photos = [photo(i, 48) for i in range(60)]
    return ArrayDataset(np.stack(photos + [image[:, ::-1] for image in photos[:30]]), np.arange(90))


@pytest.fixture
def faces(tmp_path):
    for i in range(5):
        write(tmp_path / "faces" / f"2{i}_0_0_1.jpg", photo(i, 40))
    return UTKFace(tmp_path / "faces", 32)


@pytest.mark.parametrize("kind", [splits.by_photo, splits.random])
class TestEverySplit:
    def test_each_image_is_in_exactly_one_part(self, copied, kind):
        train, val, test, *_ = kind(copied)
        assert sorted([*train, *val, *test]) == list(range(90))

    def test_the_parts_are_80_10_and_10_percent(self, copied, kind):
        for seed in range(5):
            train, val, test, *_ = kind(copied, seed)
            assert abs(len(train) - 72) <= 2
            assert abs(len(val) - 9) <= 2
            assert abs(len(test) - 9) <= 2

    def test_the_seed_decides(self, copied, kind):
        for part, again in zip(kind(copied, 3)[:3], kind(copied, 3)[:3], strict=True):
            np.testing.assert_array_equal(part, again)
        assert kind(copied, 3).test.tolist() != kind(copied, 4).test.tolist()

    def test_parts_are_ascending_indices(self, copied, kind):
        for part in kind(copied)[:3]:
            assert part.dtype == np.int64
            assert (np.diff(part) > 0).all()

    def test_small_datasets_can_be_split(self, kind):
        for count in (0, 1, 2, 9):
            images = [photo(i, 32) for i in range(count)]
            dataset = ArrayDataset(np.reshape(images, (count, 32, 32, 3)).astype(np.uint8), np.zeros(count))
            assert sum(map(len, kind(dataset)[:3])) == count


def test_by_photo_keeps_copies_together(copied):
    for seed in range(5):
        parts = splits.by_photo(copied, seed)[:3]
        photos = [set(np.where(part >= 60, part - 60, part).tolist()) for part in parts]
        assert len(set.union(*photos)) == sum(map(len, photos))


def test_random_lets_copies_fall_apart(copied):
    train, _, test, *_ = splits.random(copied)
    photos = [set(np.where(part >= 60, part - 60, part).tolist()) for part in (train, test)]
    assert photos[0] & photos[1]


def test_by_photo_works_on_faces_with_their_cached_groups(faces):
    assert sum(map(len, splits.by_photo(faces)[:3])) == 5


class TestFromFile:
    def write(self, tmp_path, text, encoding="utf-8"):
        (tmp_path / "split.csv").write_text(text, encoding=encoding)
        return tmp_path / "split.csv"

    def test_gives_what_the_file_says(self, faces, tmp_path):
        rows = "".join(
            f"2{i}_0_0_1.jpg,{part},{i}\n"
            for i, part in ((1, "val"), (0, "train"), (4, "train"), (2, "test"), (3, "train"))
        )
        split = splits.from_file(faces, self.write(tmp_path, "file,split,photo_group\n" + rows))
        assert [part.tolist() for part in split[:3]] == [[0, 3, 4], [1], [2]]
        assert (split.not_in_dataset, split.not_in_file) == ([], [])

    def test_a_part_may_be_missing_and_columns_in_any_order(self, faces, tmp_path):
        rows = "\ufeffsplit,note,file\r\ntrain,,20_0_0_1.jpg\r\nval,,21_0_0_1.jpg\r\n"
        split = splits.from_file(faces, self.write(tmp_path, rows))
        assert (split.train.tolist(), split.val.tolist(), split.test.tolist()) == ([0], [1], [])

    def test_names_that_do_not_fit_are_listed(self, faces, tmp_path):
        rows = "file,split\n20_0_0_1.jpg,train\n99_0_0_1.jpg,test\n"
        split = splits.from_file(faces, self.write(tmp_path, rows))
        assert split.not_in_dataset == ["99_0_0_1.jpg"]
        assert split.not_in_file == ["21_0_0_1.jpg", "22_0_0_1.jpg", "23_0_0_1.jpg", "24_0_0_1.jpg"]
        assert len(split.train) == 1

    def test_a_row_that_is_repeated_counts_once_and_is_told(self, faces, tmp_path):
        rows = "file,split\r\n" + "20_0_0_1.jpg,train\r\n" * 3 + "21_0_0_1.jpg,val\r\n\r\n"
        split = splits.from_file(faces, self.write(tmp_path, rows))
        assert (split.train.tolist(), split.val.tolist(), split.repeated) == ([0], [1], 2)

    def test_names_are_compared_and_never_opened(self, faces, tmp_path):
        names = ["../20_0_0_1.jpg", "/etc/passwd", "", "20_0_0_1.jpg/..", "größe 顔.jpg", '"two\nlines.jpg"']
        rows = "file,split\n" + "".join(f"{name},test\n" for name in names) + "20_0_0_1.jpg,train\n"
        split = splits.from_file(faces, self.write(tmp_path, rows))
        assert list(split.not_in_dataset) == [name.strip('"') for name in names]
        assert (split.train.tolist(), split.test.tolist()) == ([0], [])

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", r"split\.csv: no column file and split"),
            ("name,split\na,train\n", "no column file in its first line"),
            ("file,split\n20_0_0_1.jpg,training\n", "line 2: split must be train, val or test, not 'training'"),
            ("file,split\n20_0_0_1.jpg\n", "line 2: split must be train, val or test, not None"),
            ("file,split\na.jpg,val\na.jpg,train\n", "line 3: a.jpg is in train here, and in val before"),
            (
                'file,split\n"a\nb.jpg",val\n"a\nb.jpg",train\n',
                r"line 5: a\\nb\.jpg is in train here, and in val before",
            ),
            ("file,split\nother.jpg,train\n", "names none of the 5 images in"),
            ("file,split\n", "names none of the 5 images in"),
            (f"file,split\n{'x' * 200_000},train\n", r"split\.csv, line 2: .*field limit"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_refused(self, faces, tmp_path, text, words):
        with pytest.raises(ValueError, match=words):
            splits.from_file(faces, self.write(tmp_path, text))

    def test_a_file_that_is_not_text_is_refused(self, faces, tmp_path):
        (tmp_path / "split.csv").write_bytes(b"\xff\xfe\x00\x01" * 20)
        with pytest.raises(ValueError, match=r"split\.csv is not UTF-8 text"):
            splits.from_file(faces, tmp_path / "split.csv")

    def test_a_missing_file_is_named(self, faces, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
            splits.from_file(faces, tmp_path / "nothing.csv")
