"""The names and types of the Sheets v4 messages this server reads and writes, as Google's discovery document has them.

One line a message, `name:type` a field. Types: s string, i int32, d double, b boolean, m field mask, j any JSON, v list of values,
`A|B` an enum, a capitalised word another message; `[]` before a type marks a list, `{}` a map.
"""

from dataclasses import dataclass

__all__ = ["MESSAGES", "REQUEST_KINDS", "UNSUPPORTED_REQUESTS", "Field"]

DIMENSION = "ROWS|COLUMNS|DIMENSION_UNSPECIFIED"
INPUT = "RAW|USER_ENTERED|INPUT_VALUE_OPTION_UNSPECIFIED"
RENDER = "FORMATTED_VALUE|UNFORMATTED_VALUE|FORMULA"
DATES = "SERIAL_NUMBER|FORMATTED_STRING"
LOCATION_TYPE = "DEVELOPER_METADATA_LOCATION_TYPE_UNSPECIFIED|ROW|COLUMN|SHEET|SPREADSHEET"
VISIBILITY = "DEVELOPER_METADATA_VISIBILITY_UNSPECIFIED|DOCUMENT|PROJECT"
MATCHING = "DEVELOPER_METADATA_LOCATION_MATCHING_STRATEGY_UNSPECIFIED|EXACT_LOCATION|INTERSECTING_LOCATION"
THEME = "THEME_COLOR_TYPE_UNSPECIFIED|TEXT|BACKGROUND|ACCENT1|ACCENT2|ACCENT3|ACCENT4|ACCENT5|ACCENT6|LINK"
BORDER = "STYLE_UNSPECIFIED|DOTTED|DASHED|SOLID|SOLID_MEDIUM|SOLID_THICK|NONE|DOUBLE"
SHEET_TYPE = "SHEET_TYPE_UNSPECIFIED|GRID|OBJECT|DATA_SOURCE"
NUMBER = "NUMBER_FORMAT_TYPE_UNSPECIFIED|TEXT|NUMBER|PERCENT|CURRENCY|DATE|TIME|DATE_TIME|SCIENTIFIC"

_TEXT = f"""
Color: red:d green:d blue:d alpha:d
ColorStyle: rgbColor:Color themeColor:{THEME}
ErrorValue: type:s message:s
ExtendedValue: numberValue:d stringValue:s boolValue:b formulaValue:s errorValue:ErrorValue
NumberFormat: type:{NUMBER} pattern:s
Border: style:{BORDER} width:i color:Color colorStyle:ColorStyle
Borders: top:Border bottom:Border left:Border right:Border
Padding: top:i right:i bottom:i left:i
Link: uri:s
TextFormat: foregroundColor:Color foregroundColorStyle:ColorStyle fontFamily:s fontSize:i bold:b italic:b strikethrough:b underline:b
+ link:Link
TextRotation: angle:i vertical:b
TextFormatRun: startIndex:i format:TextFormat
CellFormat: numberFormat:NumberFormat backgroundColor:Color backgroundColorStyle:ColorStyle borders:Borders padding:Padding
+ horizontalAlignment:HORIZONTAL_ALIGN_UNSPECIFIED|LEFT|CENTER|RIGHT verticalAlignment:VERTICAL_ALIGN_UNSPECIFIED|TOP|MIDDLE|BOTTOM
+ wrapStrategy:WRAP_STRATEGY_UNSPECIFIED|OVERFLOW_CELL|LEGACY_WRAP|CLIP|WRAP
+ textDirection:TEXT_DIRECTION_UNSPECIFIED|LEFT_TO_RIGHT|RIGHT_TO_LEFT textFormat:TextFormat
+ hyperlinkDisplayType:HYPERLINK_DISPLAY_TYPE_UNSPECIFIED|LINKED|PLAIN_TEXT textRotation:TextRotation
CellData: userEnteredValue:ExtendedValue effectiveValue:ExtendedValue formattedValue:s userEnteredFormat:CellFormat
+ effectiveFormat:CellFormat hyperlink:s note:s textFormatRuns:[]TextFormatRun dataValidation:j pivotTable:j dataSourceTable:j
+ dataSourceFormula:j chipRuns:[]j
RowData: values:[]CellData
GridRange: sheetId:i startRowIndex:i endRowIndex:i startColumnIndex:i endColumnIndex:i
GridCoordinate: sheetId:i rowIndex:i columnIndex:i
DimensionRange: sheetId:i dimension:{DIMENSION} startIndex:i endIndex:i
DimensionProperties: hiddenByFilter:b hiddenByUser:b pixelSize:i developerMetadata:[]DeveloperMetadata dataSourceColumnReference:j
GridProperties: rowCount:i columnCount:i frozenRowCount:i frozenColumnCount:i hideGridlines:b rowGroupControlAfter:b
+ columnGroupControlAfter:b
SheetProperties: sheetId:i title:s index:i sheetType:{SHEET_TYPE} gridProperties:GridProperties hidden:b tabColor:Color
+ tabColorStyle:ColorStyle rightToLeft:b dataSourceSheetProperties:j
GridData: startRow:i startColumn:i rowData:[]RowData rowMetadata:[]DimensionProperties columnMetadata:[]DimensionProperties
ConditionValue: relativeDate:s userEnteredValue:s
BooleanCondition: type:s values:[]ConditionValue
FilterCriteria: hiddenValues:[]s condition:BooleanCondition visibleBackgroundColor:Color visibleBackgroundColorStyle:ColorStyle
+ visibleForegroundColor:Color visibleForegroundColorStyle:ColorStyle
SortSpec: dimensionIndex:i sortOrder:SORT_ORDER_UNSPECIFIED|ASCENDING|DESCENDING foregroundColor:Color foregroundColorStyle:ColorStyle
+ backgroundColor:Color backgroundColorStyle:ColorStyle dataSourceColumnReference:j
BasicFilter: range:GridRange sortSpecs:[]SortSpec criteria:{{}}FilterCriteria
+ filterSpecs:[]FilterSpec tableId:s
FilterSpec: filterCriteria:FilterCriteria columnIndex:i dataSourceColumnReference:j
Editors: users:[]s groups:[]s domainUsersCanEdit:b
ProtectedRange: protectedRangeId:i range:GridRange namedRangeId:s tableId:s description:s warningOnly:b requestingUserCanEdit:b
+ unprotectedRanges:[]GridRange editors:Editors
Sheet: properties:SheetProperties data:[]GridData merges:[]GridRange conditionalFormats:[]j filterViews:[]j
+ protectedRanges:[]ProtectedRange basicFilter:BasicFilter charts:[]j bandedRanges:[]j developerMetadata:[]DeveloperMetadata rowGroups:[]j
+ columnGroups:[]j slicers:[]j tables:[]j
IterativeCalculationSettings: maxIterations:i convergenceThreshold:d
SpreadsheetProperties: title:s locale:s autoRecalc:RECALCULATION_INTERVAL_UNSPECIFIED|ON_CHANGE|MINUTE|HOUR timeZone:s
+ defaultFormat:CellFormat iterativeCalculationSettings:IterativeCalculationSettings spreadsheetTheme:j
+ importFunctionsExternalUrlAccessAllowed:b
NamedRange: namedRangeId:s name:s range:GridRange
Spreadsheet: spreadsheetId:s properties:SpreadsheetProperties sheets:[]Sheet namedRanges:[]NamedRange spreadsheetUrl:s
+ developerMetadata:[]DeveloperMetadata dataSources:[]j dataSourceSchedules:[]j
DeveloperMetadataLocation: locationType:{LOCATION_TYPE} spreadsheet:b sheetId:i dimensionRange:DimensionRange
DeveloperMetadata: metadataId:i metadataKey:s metadataValue:s location:DeveloperMetadataLocation visibility:{VISIBILITY}
DeveloperMetadataLookup: locationType:{LOCATION_TYPE} metadataLocation:DeveloperMetadataLocation locationMatchingStrategy:{MATCHING}
+ metadataId:i metadataKey:s metadataValue:s visibility:{VISIBILITY}
DataFilter: developerMetadataLookup:DeveloperMetadataLookup a1Range:s gridRange:GridRange
ValueRange: range:s majorDimension:{DIMENSION} values:v
DataFilterValueRange: dataFilter:DataFilter majorDimension:{DIMENSION} values:v
MatchedDeveloperMetadata: developerMetadata:DeveloperMetadata dataFilters:[]DataFilter
MatchedValueRange: valueRange:ValueRange dataFilters:[]DataFilter
UpdateSpreadsheetPropertiesRequest: properties:SpreadsheetProperties fields:m
AddSheetRequest: properties:SheetProperties
DeleteSheetRequest: sheetId:i
DuplicateSheetRequest: sourceSheetId:i insertSheetIndex:i newSheetId:i newSheetName:s
UpdateSheetPropertiesRequest: properties:SheetProperties fields:m
UpdateDimensionPropertiesRequest: range:DimensionRange dataSourceSheetRange:j properties:DimensionProperties fields:m
AppendCellsRequest: sheetId:i rows:[]RowData fields:m tableId:s
UpdateCellsRequest: rows:[]RowData fields:m start:GridCoordinate range:GridRange tableRange:j
RepeatCellRequest: range:GridRange cell:CellData fields:m
AppendDimensionRequest: sheetId:i dimension:{DIMENSION} length:i tableId:s
InsertDimensionRequest: range:DimensionRange inheritFromBefore:b
DeleteDimensionRequest: range:DimensionRange
MoveDimensionRequest: source:DimensionRange destinationIndex:i
AutoResizeDimensionsRequest: dimensions:DimensionRange dataSourceSheetDimensions:j
SortRangeRequest: range:GridRange sortSpecs:[]SortSpec
SetBasicFilterRequest: filter:BasicFilter
ClearBasicFilterRequest: sheetId:i
AddProtectedRangeRequest: protectedRange:ProtectedRange
UpdateProtectedRangeRequest: protectedRange:ProtectedRange fields:m
DeleteProtectedRangeRequest: protectedRangeId:i
MergeCellsRequest: range:GridRange mergeType:MERGE_ALL|MERGE_COLUMNS|MERGE_ROWS
UnmergeCellsRequest: range:GridRange
CreateDeveloperMetadataRequest: developerMetadata:DeveloperMetadata
UpdateDeveloperMetadataRequest: dataFilters:[]DataFilter developerMetadata:DeveloperMetadata fields:m
DeleteDeveloperMetadataRequest: dataFilter:DataFilter
BatchUpdateSpreadsheetRequest: requests:[]Request includeSpreadsheetInResponse:b responseRanges:[]s responseIncludeGridData:b
BatchUpdateValuesRequest: valueInputOption:{INPUT} data:[]ValueRange includeValuesInResponse:b responseValueRenderOption:{RENDER}
+ responseDateTimeRenderOption:{DATES}
BatchClearValuesRequest: ranges:[]s
ClearValuesRequest:
BatchGetValuesByDataFilterRequest: dataFilters:[]DataFilter majorDimension:{DIMENSION} valueRenderOption:{RENDER}
+ dateTimeRenderOption:{DATES}
BatchUpdateValuesByDataFilterRequest: valueInputOption:{INPUT} data:[]DataFilterValueRange includeValuesInResponse:b
+ responseValueRenderOption:{RENDER} responseDateTimeRenderOption:{DATES}
CopySheetToAnotherSpreadsheetRequest: destinationSpreadsheetId:s
BatchClearValuesByDataFilterRequest: dataFilters:[]DataFilter
GetSpreadsheetByDataFilterRequest: dataFilters:[]DataFilter includeGridData:b excludeTablesInBandedRanges:b
SearchDeveloperMetadataRequest: dataFilters:[]DataFilter
DriveFile: kind:s id:s name:s mimeType:s description:s parents:[]s trashed:b appProperties:{{}}s properties:{{}}s
SharedDrive: kind:s id:s name:s themeId:s colorRgb:s hidden:b
DrivePermission: kind:s id:s type:s role:s emailAddress:s domain:s withLink:b allowFileDiscovery:b
UpdateValuesResponse: spreadsheetId:s updatedRange:s updatedRows:i updatedColumns:i updatedCells:i updatedData:ValueRange
AppendValuesResponse: spreadsheetId:s tableRange:s updates:UpdateValuesResponse
BatchGetValuesResponse: spreadsheetId:s valueRanges:[]ValueRange
BatchUpdateValuesResponse: spreadsheetId:s totalUpdatedRows:i totalUpdatedColumns:i totalUpdatedCells:i totalUpdatedSheets:i
+ responses:[]UpdateValuesResponse
ClearValuesResponse: spreadsheetId:s clearedRange:s
BatchClearValuesResponse: spreadsheetId:s clearedRanges:[]s
BatchGetValuesByDataFilterResponse: spreadsheetId:s valueRanges:[]MatchedValueRange
BatchUpdateSpreadsheetResponse: spreadsheetId:s replies:[]j updatedSpreadsheet:Spreadsheet commentUpdateState:s
SearchDeveloperMetadataResponse: matchedDeveloperMetadata:[]MatchedDeveloperMetadata
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


REQUEST_KINDS = _words("""
updateSpreadsheetProperties addSheet deleteSheet duplicateSheet updateSheetProperties updateDimensionProperties appendCells updateCells
repeatCell appendDimension insertDimension deleteDimension moveDimension autoResizeDimensions sortRange setBasicFilter clearBasicFilter
addProtectedRange updateProtectedRange deleteProtectedRange mergeCells unmergeCells createDeveloperMetadata updateDeveloperMetadata
deleteDeveloperMetadata
""")

UNSUPPORTED_REQUESTS = _words("""
updateNamedRange addNamedRange deleteNamedRange autoFill cutPaste copyPaste updateBorders addFilterView appendDimension deleteFilterView
duplicateFilterView insertRange deleteRange findReplace pasteData textToColumns updateFilterView deleteConditionalFormatRule
addConditionalFormatRule updateConditionalFormatRule setDataValidation addChart updateChartSpec updateBanding addBanding deleteBanding
deleteEmbeddedObject updateEmbeddedObjectPosition updateEmbeddedObjectBorder randomizeRange addDimensionGroup deleteDimensionGroup
updateDimensionGroup trimWhitespace deleteDuplicates updateSlicerSpec addSlicer addDataSource updateDataSource deleteDataSource
refreshDataSource cancelDataSourceRefresh addTable updateTable deleteTable
""")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    kind: str
    """One of `s i d b m j v`, `enum`, or a message name."""
    repeated: bool = False
    mapped: bool = False
    choices: tuple[str, ...] = ()


def _field(text: str) -> tuple[str, Field]:
    name, _, kind = text.partition(":")
    repeated, mapped = kind.startswith("[]"), kind.startswith("{}")
    kind = kind[2:] if repeated or mapped else kind
    if "|" in kind:
        return name, Field("enum", repeated, mapped, tuple(kind.split("|")))
    return name, Field(kind, repeated, mapped)


def _messages() -> dict[str, dict[str, Field]]:
    messages: dict[str, dict[str, Field]] = {}
    for line in _TEXT.strip().replace("\n+ ", " ").splitlines():
        name, _, fields = line.partition(":")
        messages[name] = dict(_field(part) for part in fields.split())
    kinds = {kind: Field(kind[0].upper() + kind[1:] + "Request") for kind in REQUEST_KINDS}
    messages["Request"] = {kind: Field("j") for kind in UNSUPPORTED_REQUESTS} | kinds
    return messages


MESSAGES = _messages()
