using System.Globalization;

namespace Accelerated.Agent.Node;

/// <summary>Files that are seen whole or not at all, also after a crash.</summary>
internal static class AtomicFile
{
    /// <summary>Writes to a temporary file beside <paramref name="path"/>, forces it to disk and renames it over the old one.</summary>
    /// <param name="path">Target.</param>
    /// <param name="text">Whole content.</param>
    /// <param name="mode">Permission bits, set whatever the umask.</param>
    public static void Write(string path, string text, UnixFileMode mode)
    {
        var temporary = string.Create(CultureInfo.InvariantCulture, $"{path}.{Environment.ProcessId}.tmp");
        try
        {
            using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = mode & (UnixFileMode.UserRead | UnixFileMode.UserWrite) }))
            {
                stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
                File.SetUnixFileMode(stream.SafeFileHandle, mode);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
