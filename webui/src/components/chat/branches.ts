import type { Turn } from '@/chat/thread'

export interface Branches {
  /** Messages with the same question: versions of this answer. This one is among them. */
  answers: string[]
  /** One message for each version of the question, this one for its own. */
  questions: string[]
}

/**
 * The siblings of a turn, told apart by their question. One whose question `queryOf` does not know
 * is taken for another answer: people ask again more often than they rephrase.
 */
export function branchesOf(turn: Turn, queryOf: (id: string) => string | undefined): Branches {
  const answers: string[] = []
  const questions = new Map<string, string>()
  for (const id of turn.siblings) {
    const query = id === turn.id ? turn.query : (queryOf(id) ?? turn.query)
    if (query === turn.query) answers.push(id)
    // The newest version of an answer stands for its question.
    questions.set(query, query === turn.query ? turn.id : id)
  }
  return { answers, questions: [...questions.values()] }
}
