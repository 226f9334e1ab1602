"""The live quiz: phases, fair time, seats that nobody loses."""

from holdfast.apps.quiz.api import quiz_routes, visitor_of
from holdfast.apps.quiz.errors import QuizCode, QuizError
from holdfast.apps.quiz.service import QuizApp

__all__ = ["QuizApp", "QuizCode", "QuizError", "quiz_routes", "visitor_of"]
