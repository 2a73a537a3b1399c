"""Markup: what is text stays text, whatever it holds."""

import base64
import html

import cv2
import numpy as np
import pytest

from tinygrad_cnn.viz.report.markup import Html, picture, tag, together


@pytest.mark.parametrize("text", ["<b>", "</p><script>alert(1)</script>", "\"&'", "<!--", "&lt;"])
def test_text_is_escaped_in_content_and_in_attributes(text):
    safe = html.escape(text)
    assert tag("p", text, title=text) == f'<p title="{safe}">{safe}</p>'
    assert not set("<>\"'") & set(safe)


def test_an_element_within_an_element_is_not_escaped_again():
    assert tag("p", tag("b", "<"), ["a", (tag("i"),)], None) == "<p><b>&lt;</b>a<i></i></p>"


def test_attributes_lose_their_underscores():
    assert (
        tag("i", class_="a", aria_hidden="true", viewBox="0 0 1 1")
        == '<i class="a" aria-hidden="true" viewBox="0 0 1 1"></i>'
    )


def test_attributes_that_are_true_stand_alone_and_those_that_are_false_or_none_are_left_out():
    assert tag("p", hidden=True, open=False, id=None, tabindex=0) == '<p hidden tabindex="0"></p>'


def test_elements_that_have_no_end_get_none():
    assert tag("img", src="x", alt="") == '<img src="x" alt="">'


def test_an_attribute_may_be_called_name():
    assert tag("meta", name="viewport") == '<meta name="viewport">'


def test_numbers_are_written_out_and_the_result_is_markup():
    assert together(1, " ", 2.5) == "1 2.5"
    assert isinstance(together("<"), Html)


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_picture_is_the_image_in_its_right_colours(kind):
    image = np.zeros((16, 24, 3), np.uint8)
    image[..., 0] = 200  # red
    before, content = picture(image, kind).split(",")
    assert before == f"data:image/{kind};base64"
    again = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert again.shape == image.shape
    assert np.abs(again.astype(int) - image).max() < 6
