namespace Accelerated.Interop.Tests;

public sealed class ErrnoNamesTests
{
    // Spread over the table, so that a name lost or doubled in it shifts one of these.
    [Theory]
    [InlineData(2, "ENOENT: No such file or directory")]
    [InlineData(22, "EINVAL: Invalid argument")]
    [InlineData(40, "ELOOP: Too many levels of symbolic links")]
    [InlineData(41, "error 41: Unknown error 41")]
    [InlineData(58, "error 58: Unknown error 58")]
    [InlineData(61, "ENODATA: No data available")]
    [InlineData(84, "EILSEQ: Invalid or incomplete multibyte or wide character")]
    [InlineData(95, "EOPNOTSUPP: Operation not supported")]
    [InlineData(105, "ENOBUFS: No buffer space available")]
    [InlineData(113, "EHOSTUNREACH: No route to host")]
    [InlineData(133, "EHWPOISON: Memory page has hardware error")]
    [InlineData(134, "error 134: Unknown error 134")]
    [InlineData(524, "error 524: Unknown error 524")]
    [InlineData(-1, "error -1: Unknown error -1")]
    public void Describe_Number_GivesNameAndMeaning(int errno, string expected) => Assert.Equal(expected, ErrnoNames.Describe(errno));
}
