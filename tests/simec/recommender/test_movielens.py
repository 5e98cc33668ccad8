"""Official files of MovieLens, in samples that were made up in their formats."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from corpora.output import open_output
from simec.recommender import FileError, read_movielens, read_movies, read_users
from simec.recommender.data import movielens

RATINGS = [(1, 1193, 5.0), (1, 661, 3.0), (7, 1193, 4.0), (7, 2, 1.0)]
DAT = "1::1193::5::978300760\n1::661::3::978302109\n7::1193::4::978300760\n7::2::1::978300761\n"


def folder(path, **files):
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode()
        (path / name.replace("_", ".")).write_bytes(data)
    return path


def found(ratings):
    return sorted((int(u), int(i), float(v)) for u, i, v in zip(*ratings.triples(), strict=True))


class TestRatings:
    def test_100k(self, tmp_path):
        text = DAT.replace("::", "\t")
        assert found(read_movielens(folder(tmp_path, u_data=text))) == sorted(RATINGS)

    def test_1m_and_10m(self, tmp_path):
        assert found(read_movielens(folder(tmp_path, ratings_dat=DAT))) == sorted(RATINGS)

    def test_latest(self, tmp_path):
        text = "userId,movieId,rating,timestamp\n" + DAT.replace("::", ",").replace(",3,", ",3.5,")
        expected = [*RATINGS[:1], (1, 661, 3.5), *RATINGS[2:]]
        assert found(read_movielens(folder(tmp_path, ratings_csv=text))) == sorted(expected)

    def test_half_stars(self, tmp_path):
        text = "1::122::0.5::838985046\n1::185::4.5::838983525\n"
        assert found(read_movielens(folder(tmp_path, ratings_dat=text))) == [
            (1, 122, 0.5), (1, 185, 4.5)
        ]  # fmt: skip

    def test_a_file_by_its_name_without_a_last_newline_and_from_windows(self, tmp_path):
        folder(tmp_path, ratings_dat=DAT.replace("\n", "\r\n").rstrip())
        assert found(read_movielens(tmp_path / "ratings.dat")) == sorted(RATINGS)

    @pytest.mark.parametrize("size", [1, 30, 1 << 22])
    def test_pieces_are_put_together(self, tmp_path, monkeypatch, size):
        monkeypatch.setattr(movielens, "_CHUNK", size)
        ratings = read_movielens(folder(tmp_path, ratings_dat=DAT))
        assert found(ratings) == sorted(RATINGS)
        assert ratings.shape == (2, 3)
        assert ratings.matrix.data.dtype == np.float32
        assert ratings.matrix.indices.dtype == np.int32

    @pytest.mark.parametrize(
        "line",
        ["1::2::3", "1::2::3::4::5", "a::2::3::4", "1.5::2::3::4", "1::2::good::4", "1::2::nan::4",
         "1,2,3,4", "0::2::3::4", "1::2::3::x", "", "2147483648::2::3::4", "1::9e9::3::4"],
    )  # fmt: skip
    @pytest.mark.parametrize("size", [10, 1 << 22])
    def test_a_malformed_line_is_named(self, tmp_path, monkeypatch, line, size):
        monkeypatch.setattr(movielens, "_CHUNK", size)
        lines = DAT.splitlines()
        text = "\n".join([*lines[:2], line, *lines[2:]]) + "\n"
        with pytest.raises(FileError, match=r"ratings\.dat, line 3 must be user::movie::rating"):
            read_movielens(folder(tmp_path, ratings_dat=text))

    def test_a_header_counts_as_a_line(self, tmp_path):
        text = "userId,movieId,rating,timestamp\n1,2,3,4\n1;2\n"
        with pytest.raises(FileError, match=r"ratings\.csv, line 3 must be user,movie"):
            read_movielens(folder(tmp_path, ratings_csv=text))

    def test_a_header_is_not_taken_for_granted(self, tmp_path):
        for text in ("1,2,3,4\n", "movieId,userId,rating,timestamp\n1,2,3,4\n"):
            with pytest.raises(FileError, match=r"line 1 must be userId,movieId,rating,timestamp"):
                read_movielens(folder(tmp_path, ratings_csv=text))
        with pytest.raises(FileError, match="line 1 must be movieId,title,genres"):
            read_movies(folder(tmp_path, movies_csv="1,A,Drama\n"))

    def test_compressed_and_with_a_byte_order_mark(self, tmp_path):
        path = tmp_path / "ratings.csv.gz"
        text = "\ufeffuserId,movieId,rating,timestamp\n" + DAT.replace("::", ",")
        path.write_bytes(gzip.compress(text.encode()))
        assert found(read_movielens(path)) == sorted(RATINGS)
        path.write_bytes(path.read_bytes()[:-4])
        with pytest.raises(FileError, match=r"ratings\.csv\.gz: .*damaged"):
            read_movielens(path)
        hidden = tmp_path / "ratings.dat"
        hidden.write_bytes(gzip.compress(DAT.encode()))
        with pytest.raises(FileError, match=r"ratings\.dat: the content is gzip"):
            read_movielens(hidden)
        users = tmp_path / "users.dat.zst"
        with open_output(users) as write:
            write("\ufeff1::F::1::10::48067\n")
        assert read_users(users)[0].user == 1

    def test_rated_twice(self, tmp_path):
        with pytest.raises(FileError, match=r"line 5: user 1 has already rated movie 661"):
            read_movielens(folder(tmp_path, ratings_dat=DAT + "1::661::3::1\n"))

    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"has none of u\.data"):
            read_movielens(tmp_path)
        with pytest.raises(FileNotFoundError):
            read_movielens(tmp_path / "no")
        with pytest.raises(FileError, match="no ratings"):
            read_movielens(folder(tmp_path, ratings_dat=""))


class TestMovies:
    def test_100k(self, tmp_path):
        flags = "|".join(str(int(k in (3, 5))) for k in range(19))
        line = f"1|Les Misérables (1995)|01-Jan-1995||http://us.imdb.com/M|{flags}\n"
        (movie,) = read_movies(folder(tmp_path, u_item=line.encode("latin-1")))
        assert (movie.movie, movie.title) == (1, "Les Misérables (1995)")
        assert movie.genres == ("Animation", "Comedy")

    def test_1m_and_10m(self, tmp_path):
        text = "1::Toy Story (1995)::Animation|Comedy\n2::A::B (1999)::Drama\n"
        one, two = read_movies(folder(tmp_path, movies_dat=text))
        assert (one.title, one.genres) == ("Toy Story (1995)", ("Animation", "Comedy"))
        assert (two.title, two.genres) == ("A::B (1999)", ("Drama",))

    def test_latest(self, tmp_path):
        text = 'movieId,title,genres\n11,"American President, The (1995)",Comedy|Drama\n'
        text += "12,Nothing (2000),(no genres listed)\n"
        one, two = read_movies(folder(tmp_path, movies_csv=text))
        assert (one.title, one.genres) == (
            "American President, The (1995)", ("Comedy", "Drama")
        )  # fmt: skip
        assert two.genres == ()

    @pytest.mark.parametrize(
        ("name", "text"),
        [("movies_dat", "1::A::Drama\n2::Drama\n"), ("movies_csv", "movieId,title,genres\n1,A\n"),
         ("movies_csv", "movieId,title,genres\n1," + "A" * 200_000 + ",B\n"),
         ("u_item", "1|A|||x|0|1\n2|B\n"), ("movies_dat", "1::A::Drama\nx::B::Drama\n")],
    )  # fmt: skip
    def test_a_malformed_line_is_named(self, tmp_path, name, text):
        line = 1 if name == "u_item" else 2
        with pytest.raises(FileError, match=f"line {line} is malformed"):
            read_movies(folder(tmp_path, **{name: text}))


class TestUsers:
    def test_100k(self, tmp_path):
        (user,) = read_users(folder(tmp_path, u_user="1|24|M|technician|85711\n"))
        assert (user.user, user.age, user.gender) == (1, 24, "M")
        assert (user.occupation, user.zip) == ("technician", "85711")

    def test_1m(self, tmp_path):
        (user,) = read_users(folder(tmp_path, users_dat="1::F::1::10::48067\n"))
        assert (user.user, user.age, user.gender) == (1, 1, "F")
        assert (user.occupation, user.zip) == ("10", "48067")

    def test_a_malformed_line_is_named(self, tmp_path):
        with pytest.raises(FileError, match=r"users\.dat, line 2 is malformed"):
            read_users(folder(tmp_path, users_dat="1::F::1::10::48067\n2::F::1\n"))


class TestHostileFiles:
    @pytest.mark.parametrize(
        "line",
        [
            "1::::5::978300760",  # an empty field
            "1::2::1e39::978300760",  # beyond float32
            "1::2::5::978300760::",
            "1::2::" + "9" * 200_000 + "::1",
        ],
    )
    def test_ratings(self, tmp_path, line):
        folder(tmp_path, ratings_dat=DAT + line + "\n")
        with pytest.raises(FileError, match=r"ratings\.dat, line 5 must be") as caught:
            read_movielens(tmp_path)
        assert len(str(caught.value)) < 500

    @pytest.mark.parametrize(
        "line", ['2,"Heat,Drama', "1_0,Heat,Drama", "2," + "a" * 200_000 + ",Drama", "2,Heat"]
    )
    def test_movies(self, tmp_path, line):
        folder(tmp_path, movies_csv=f"movieId,title,genres\n1,Tea,Drama\n{line}\n")
        with pytest.raises(FileError, match=r"movies\.csv, line 3 is malformed") as caught:
            read_movies(tmp_path)
        assert len(str(caught.value)) < 500

    def test_encoding(self, tmp_path):
        folder(tmp_path, movies_csv=b"movieId,title,genres\n1,Caf\xe9,Drama\n")
        with pytest.raises(FileError, match=r"movies\.csv, line 2 is not valid UTF-8"):
            read_movies(tmp_path)

    def test_users(self, tmp_path):
        folder(tmp_path, users_dat="1::F::1::10::48067\n2::M::56::16\n")
        with pytest.raises(FileError, match=r"users\.dat, line 2 is malformed"):
            read_users(tmp_path)
