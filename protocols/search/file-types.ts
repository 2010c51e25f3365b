/** What people call kinds of files, by the ends of their names. An end may be of several kinds. */
const EXTENSIONS = {
  video: 'mkv mp4 m4v avi mov wmv flv webm mpg mpeg m2ts mts vob ogv 3gp 3g2 rm rmvb asf divx f4v m2v',
  audio: 'mp3 flac ogg oga opus m4a m4b aac wav wma aif aiff ape wv mka mid midi alac dsf dff amr',
  image: 'jpg jpeg png gif webp avif heic heif bmp tif tiff svg psd xcf raw cr2 cr3 nef arw dng orf rw2 ico jxl jp2',
  document:
    'pdf epub mobi azw azw3 fb2 djvu doc docx dot dotx odt ods odp rtf txt md tex xls xlsx ppt pptx csv pages ' +
    'numbers key html htm chm cbz cbr ps xps',
  archive: 'zip 7z rar tar gz tgz bz2 tbz xz txz zst lz lzma lz4 cab arj lzh z cpio iso img',
  program: 'exe msi deb rpm appimage apk dmg pkg flatpak snap jar run sh bat ps1 iso img'
} as const

export type FileType = keyof typeof EXTENSIONS
export const FILE_TYPES = Object.keys(EXTENSIONS) as readonly FileType[]

const ALSO_CALLED: Readonly<Record<string, FileType>> = {
  movie: 'video',
  film: 'video',
  music: 'audio',
  sound: 'audio',
  picture: 'image',
  photo: 'image',
  book: 'document',
  ebook: 'document',
  software: 'program',
  app: 'program'
}

const MAX_EXTENSION_LENGTH = 16

const typesByExtension = new Map<string, FileType[]>()
for (const type of FILE_TYPES) {
  for (const extension of EXTENSIONS[type].split(' ')) {
    typesByExtension.set(extension, [...(typesByExtension.get(extension) ?? []), type])
  }
}

/** The end of a name or path in small letters, without its dot, and the types it stands for. */
export function typesOf(name: string): string[] {
  const dot = name.lastIndexOf('.')
  // a leading dot hides a file and begins no extension
  if (dot <= name.lastIndexOf('/') + 1) return []
  const extension = name.slice(dot + 1).toLowerCase()
  if (!isExtension(extension)) return []
  return [...new Set([extension, ...(typesByExtension.get(extension) ?? [])])]
}

export function isExtension(text: string): boolean {
  return text.length <= MAX_EXTENSION_LENGTH && /^[a-z0-9]+$/.test(text)
}

/** Whether files are known that end so. */
export function isKnownExtension(text: string): boolean {
  return typesByExtension.has(text)
}

/** `video`, whether it is called video, videos or movies; undefined for what is no such name. */
export function fileTypeNamed(text: string): FileType | undefined {
  for (const name of [text, text.replace(/s$/, '')]) {
    if ((FILE_TYPES as readonly string[]).includes(name)) return name as FileType
    if (Object.hasOwn(ALSO_CALLED, name)) return ALSO_CALLED[name]
  }
  return undefined
}
