import type { Turn } from '@/chat/thread'

export interface Branches {
  /** Messages with the same question: versions of this answer. This one is among them. */
  answers: string[]
  /** One message for each version of the question, this one for its own. */
  questions: string[]
}

/**
 * The siblings of a turn, told apart by their question: as the server says, and of those it has not
 * told of yet, by what this page knows (`queryOf`). One that nobody knows is taken for another
 * answer: people ask again more often than they rephrase.
 */
export function branchesOf(turn: Turn, queryOf: (id: string) => string | undefined): Branches {
  const answers: string[] = []
  const questions = new Map<string, string>()
  for (const id of turn.siblings) {
    const query = id === turn.id ? turn.query : (wordingOf(turn, id) ?? queryOf(id) ?? turn.query)
    if (query === turn.query) answers.push(id)
    // The newest version of an answer stands for its question.
    questions.set(query, query === turn.query ? turn.id : id)
  }
  return { answers, questions: [...questions.values()] }
}

/** The question of a sibling, or a name for it: each group the server tells apart has its own. */
function wordingOf(turn: Turn, id: string): string | undefined {
  const group = turn.versions.findIndex((ids) => ids.includes(id))
  if (group < 0) return undefined
  return turn.versions[group]?.includes(turn.id) ? turn.query : `\0${group}`
}
