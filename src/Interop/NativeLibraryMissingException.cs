using System.Reflection;
using System.Runtime.InteropServices;

namespace Accelerated.Interop;

/// <summary>A shared library that a feature needs is not installed. What does not need the feature still works.</summary>
public sealed class NativeLibraryMissingException : Exception
{
    /// <summary>Makes the exception for one library.</summary>
    /// <param name="library">The file name, e.g. <c>libnftables.so.1</c>.</param>
    /// <param name="debianPackage">The Debian package that holds it, e.g. <c>libnftables1</c>.</param>
    /// <param name="inner">What the loader said.</param>
    public NativeLibraryMissingException(string library, string debianPackage, Exception? inner)
        : base($"{library} cannot be loaded: install it (Debian and Ubuntu: apt-get install {debianPackage})", inner)
    {
        Library = library;
        DebianPackage = debianPackage;
    }

    /// <summary>The file name of the library.</summary>
    public string Library { get; }

    /// <summary>The Debian package that holds the library.</summary>
    public string DebianPackage { get; }

    /// <summary>Loads a library now, so that the first call into it cannot fail with the runtime's page-long search report.</summary>
    /// <exception cref="NativeLibraryMissingException">It is not there, or is no library.</exception>
    internal static void ThrowIfMissing(string library, string debianPackage)
    {
        try
        {
            // The handle is kept for the life of the process, as the runtime keeps the one of the first P/Invoke.
            NativeLibrary.Load(library, Assembly.GetExecutingAssembly(), searchPath: null);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new NativeLibraryMissingException(library, debianPackage, e);
        }
    }
}
