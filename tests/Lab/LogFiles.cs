namespace Accelerated.Lab;

/// <summary>Reading files that another process is still writing.</summary>
public static class LogFiles
{
    /// <summary>The whole text as it is now.</summary>
    public static string Read(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>The path and the last lines of a file, indented, to be appended to an error; says so if there is none.</summary>
    public static string Tail(string path, int lines = 15)
    {
        if (!File.Exists(path))
            return $"({path} does not exist)";
        var all = Read(path).TrimEnd().Split('\n');
        return $"the end of {path}:\n  {string.Join("\n  ", all.TakeLast(lines))}";
    }
}
