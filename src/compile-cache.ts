/**
 * Keeps compiled code, in the user's own cache folder: the second start is faster, and a process whose TypeScript is
 * known already never loads the compiler that strips it. To be loaded before anything else.
 */
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

enableCompileCache(join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'shoal'))
